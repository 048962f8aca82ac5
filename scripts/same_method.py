"""The A/A check: AdamW under another name and other study seeds, ten times, on the published board.

    python -m scripts.same_method --results results

Both are one method, so that every verdict but "tied" is wrong. Each of the ten joins the board
alone and is compared with AdamW there: on the track and on every core task, among all pairs of the
table and in the smaller family of comparisons with AdamW. Studies that are missing are run first
and kept below the suite's home folder; interrupt and start the command again at will.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click

from leaderboard import references
from leaderboard.board import load_board
from leaderboard.references import References
from leaderboard.selection import BASELINE
from leaderboard.standings import replicate_scores
from leaderboard.statistics import Comparisons, task_comparisons
from leaderboard.tracks import TrackStanding, compare_methods
from scripts.board_plans import board_tasks
from scripts.boards import BOARDS
from suite.components.method import make_method
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter, worker_log
from suite.home import data_folder, home
from suite.results.model import Result
from suite.studies.plan import make_plan
from suite.studies.protocol import get_protocol
from suite.studies.run_studies import Silent, default_jobs, run_studies

COPIES = 10
PROTOCOL = "quick"


class Verdicts(NamedTuple):
    """How many comparisons of AdamW with itself said that it differs."""

    comparisons: int
    among_all_pairs: int
    with_adamw_only: int


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--results", type=click.Path(path_type=Path, exists=True), default="results")
@click.option("--jobs", type=click.IntRange(1), default=default_jobs("cpu"), show_default=True)
def main(results: Path, jobs: int) -> None:
    """Run the studies that are missing, and print the counts."""
    track = load_board(results).track("mini", PROTOCOL)
    if track is None or BASELINE not in {entry.method for entry in track.complete}:
        raise click.ClickException(f"{results} has no complete {BASELINE} under {PROTOCOL}.")
    frozen = references.load()
    copies = [run_copy(seed, jobs) for seed in range(1, COPIES + 1)]
    click.echo(
        f"{len(track.complete)} methods, {len(track.tasks)} tasks, {COPIES} copies of {BASELINE}.\n"
    )
    click.echo("| compared | comparisons | differ, among all pairs | differ, AdamW with each |")
    click.echo("|---|---|---|---|")
    print_row("on the track", [of_track(track, copy, frozen) for copy in copies])
    print_row("on a task", [found for copy in copies for found in of_tasks(track, copy)])


def run_copy(seed: int, jobs: int) -> dict[str, Result]:
    """AdamW's results with this study seed, by task; what is missing is run."""
    plans = [
        make_plan(
            make_method(BASELINE),
            task,
            get_protocol(PROTOCOL),
            seed=seed,
            device="cpu",
            threads=1,
            results=home() / "same_method",
            data=data_folder(None),
        )
        for task in board_tasks(BOARDS[f"{PROTOCOL}-core"])
    ]
    for plan in plans:
        plan.task.problem.prepare(plan.data)
    executor = LocalExecutor(jobs, Starter(1, worker_log()))
    try:
        found = run_studies(plans, executor, jobs, Silent())
    finally:
        executor.close()
    click.echo(f"{BASELINE} with study seed {seed}: {len(found)} results", err=True)
    return {result.task.name: result for result in found}


def of_track(track: TrackStanding, copy: Mapping[str, Result], frozen: References) -> Verdicts:
    """AdamW against its copy by the headline."""
    found = {entry.method: entry.entries for entry in track.complete}
    found["copy"] = {
        task: replace(
            entry,
            scaled_scores=[
                references.scaled(frozen[task], score)
                for score in replicate_scores(copy[task]).values()
            ],
        )
        for task, entry in found[BASELINE].items()
    }
    compared = compare_methods(found, found.keys(), track.family_of)
    assert compared is not None, "the track has a complete method"
    return verdicts(compared)


def of_tasks(track: TrackStanding, copy: Mapping[str, Result]) -> Iterator[Verdicts]:
    """AdamW against its copy on each task, by raw scores."""
    for standing in track.tasks:
        scores = {entry.method: list(entry.scores.values()) for entry in standing.ranked}
        scores["copy"] = list(replicate_scores(copy[standing.task.name]).values())
        yield verdicts(task_comparisons(scores, higher_is_better=standing.task.higher_is_better))


def verdicts(found: Comparisons) -> Verdicts:
    """What was said of the copy."""
    return Verdicts(
        1,
        int(found.verdict(BASELINE, "copy") != "tied"),
        int(found.against(BASELINE)["copy"].verdict != "tied"),
    )


def print_row(name: str, found: list[Verdicts]) -> None:
    """One row of the table."""
    counts = [sum(column) for column in zip(*found, strict=True)]
    click.echo(f"| {name} | {' | '.join(map(str, counts))} |")


if __name__ == "__main__":
    main()
