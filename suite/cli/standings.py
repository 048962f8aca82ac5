"""Standings on a task and over a track, as tables for the terminal and as JSON documents."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.tables import Column, show_table

if TYPE_CHECKING:
    from leaderboard.board import Board
    from leaderboard.families import FamilyResult
    from leaderboard.standings import Entry, TaskStanding
    from leaderboard.statistics import Interval, Pair, Rank
    from leaderboard.tracks import TrackEntry, TrackStanding

#: methods of a table that a sentence names before it only counts the rest
_NAMED = 3

published = click.option(
    "--published/--no-published",
    default=None,
    help="Add the published results, packaged or imported. Default: unless the folder is theirs.",
)


def print_refused(board: Board, results: Path) -> None:
    """A line about files that are not valid results, if there are any."""
    if board.left_out:
        click.echo(
            f"suite: {len(board.left_out)} files were refused: `suite validate {results}`", err=True
        )


def print_standing(
    standing: TaskStanding,
    marked: Collection[str] = (),
    shown: Collection[str] | None = None,
    *,
    rest: bool = True,
    wide: bool = False,
) -> None:
    """A table of the methods on a task, best first; an arrow before those that are marked.

    `shown` are the methods of the table, if not all; ranks are among all. With `rest`, a line
    says how many are not shown.
    """
    task = standing.task
    better = "higher" if task.higher_is_better else "lower"
    preliminary = ", preliminary" if standing.preliminary else ""
    click.echo(f"{task.name}, protocol {standing.protocol.name}{preliminary}; {better} is better")
    alone = len(standing.ranked) == 1  # the first of one says nothing
    entries = [e for e in standing.entries if shown is None or e.method in shown]
    columns = [
        Column("rank"),
        Column("method"),
        Column("score"),
        Column("interval", 2),
        Column("vs AdamW", 1),
        Column("scaled", 3),
        Column(task.metric, 6),
        *([] if standing.stream else [Column("reached", 7)]),
        Column("evaluations", 9),
        Column("step cost", 8),
        Column("out of the box", 11),
        Column("tuned", 10),
        Column("failed", 4),
        Column("note", 5, text=True),
    ]
    rows = [
        [
            ("> " if entry.method in marked else "")
            + ("-" if entry.standing is None or alone else rank_range(entry.standing.ranks)),
            entry.method,
            f"{entry.raw.value:.4g}",
            interval(entry.raw, 4),
            (entry.standing and entry.standing.verdict) or "-",
            "-" if entry.scaled is None else f"{entry.scaled.value:.2f}",
            number(entry.metric, 4),
            *([] if standing.stream else [f"{entry.reached} of {entry.runs}"]),
            "-" if entry.gradient_evaluations is None else f"{entry.gradient_evaluations:.0f}",
            number(entry.step_cost, 2),
            number(entry.tuning.out_of_the_box, 2),
            number(entry.tuning.tuned, 2),
            str(entry.failures.total()),
            entry.remark,
        ]
        for entry in entries
    ]
    show_table(columns, rows, wide=wide)
    hidden = len(standing.entries) - len(entries)
    if hidden and rest:
        click.echo(
            f"{hidden} more {'result is' if hidden == 1 else 'results are'} not shown: `suite "
            f"leaderboard show --task {task.name}` shows them."
        )


def print_track(track: TrackStanding, most: int | None, *, wide: bool = False) -> None:
    """A table of the methods of a track, best first, and a line for each family."""
    from leaderboard.families import family_results

    protocol = track.protocol.name + (", preliminary" if track.preliminary else "")
    tasks = f"{len(track.counted)} core tasks of {len(track.families)} families"
    click.echo(f"track {track.track}, protocol {protocol}: {tasks}")
    click.echo("Scores: 0 is SGD with torch's defaults, 1 is tuned AdamW, higher is better.")
    columns = [
        Column("rank"),
        Column("method"),
        Column("score"),
        Column("interval", 1),
        Column("beats AdamW", 2),
        Column("worst family", 4),
        Column("solved", 3),
        Column("out of the box", 6),
        Column("gain", 7),
        Column("trials needed", 5),
        Column("loss if not tuned", 8),
        Column("failed trials", 9),
        Column("step cost", 10),
        Column("tasks", 11),
    ]
    entries = track.entries if most is None else track.entries[:most]
    show_table(columns, [_track_row(entry, track) for entry in entries], wide=wide)
    hidden = len(track.entries) - len(entries)
    if hidden:
        click.echo(f"{hidden} more: --all shows them.")
    for found in family_results(track):
        click.echo(family_sentence(found))


def _track_row(entry: TrackEntry, track: TrackStanding) -> list[str]:
    family, worst = entry.worst_family
    over = entry.over
    return [
        "-" if entry.ranks is None else rank_range(entry.ranks),
        entry.method,
        f"{entry.headline.value:.2f}",
        interval(entry.headline, 2),
        "-" if entry.beats_adamw is None else f"{entry.beats_adamw:.0%}",
        f"{family} {worst:.2f}",
        f"{entry.solved:.0%}",
        number(over.out_of_the_box, 2),
        number(over.gain, 2),
        number(over.trials_needed, 2),
        number(over.sensitivity, 2),
        f"{over.failed_trials:.0%}",
        number(over.step_cost, 2),
        f"{len(entry.entries)} of {len(track.counted)}",
    ]


def family_sentence(found: FamilyResult) -> str:
    """`language: X, tied with Y and 3 others; needs 0.8 of AdamW's budget.`"""
    tied = [*found.tied]
    named, more = tied[:_NAMED], len(tied) - _NAMED
    with_others = ""
    if named:
        rest = f" and {more} more" if more > 0 else ""
        with_others = f", tied with {', '.join(named)}{rest}"
    budget = ""
    if found.budget_ratio is not None and math.isfinite(found.budget_ratio):
        budget = f"; it needs {found.budget_ratio:.2g} of AdamW's budget"
    return f"{found.family}: {found.best} ({found.score.value:.2f}){with_others}{budget}."


def rank_range(ranks: Rank) -> str:
    """A range of ranks: `2` or `1-4`."""
    return str(ranks.low) if ranks.low == ranks.high else f"{ranks.low}-{ranks.high}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with a few significant digits; a hyphen if it is not known, `never` if infinite."""
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if math.isfinite(value) else "never"


def interval(found: Interval | Pair, digits: int) -> str:
    """The ends of an interval; a hyphen if one replicate says nothing about them."""
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return "-"
    return f"{found.low:.{digits}g} to {found.high:.{digits}g}"


def entry_in_json(entry: Entry, standing: TaskStanding) -> dict[str, Any]:
    """One method on a task as a part of a JSON document."""
    place, facts = entry.standing, entry.tuning
    return {
        "method": entry.method,
        "ranks": None if place is None else list(place.ranks),
        "may_be_best": None if place is None else place.may_be_best,
        "verdict": None if place is None else place.verdict,
        "score": entry.raw.value,
        "low": entry.raw.low,
        "high": entry.raw.high,
        "scores": list(entry.scores.values()),
        "scaled": None if entry.scaled is None else entry.scaled.value,
        "metric": entry.metric,
        "reached": None if standing.stream else entry.reached,
        "runs": entry.runs,
        "gradient_evaluations": entry.gradient_evaluations,
        "step_cost": entry.step_cost,
        "out_of_the_box": facts.out_of_the_box,
        "tuned": facts.tuned,
        "trials_needed": entry.trials_needed,
        "sensitivity": facts.sensitivity,
        "chosen": [each.evaluation[0].hyperparameters for each in entry.result.replicates],
        "failed": dict(entry.failures),
        "note": entry.remark,
        "result": str(entry.stored.path),
    }


def standing_in_json(standing: TaskStanding, entries: Iterable[Entry]) -> dict[str, Any]:
    """A task's standing as a JSON document."""
    task = standing.task
    return {
        "task": task.name,
        "protocol": standing.protocol.name,
        "preliminary": standing.preliminary,
        "higher_is_better": task.higher_is_better,
        "metric": task.metric,
        "methods": [entry_in_json(entry, standing) for entry in entries],
    }


def track_in_json(track: TrackStanding) -> dict[str, Any]:
    """A track's standing as a JSON document."""
    from leaderboard.families import family_results

    return {
        "track": track.track,
        "protocol": track.protocol.name,
        "preliminary": track.preliminary,
        "tasks": track.family_of,
        "methods": [_track_entry_in_json(entry) for entry in track.entries],
        "families": [
            {
                "family": found.family,
                "best": found.best,
                "score": found.score.value,
                "tied": list(found.tied),
                "budget_ratio": found.budget_ratio,
            }
            for found in family_results(track)
        ],
    }


def _track_entry_in_json(entry: TrackEntry) -> dict[str, Any]:
    over = entry.over
    return {
        "method": entry.method,
        "ranks": None if entry.ranks is None else list(entry.ranks),
        "score": entry.headline.value,
        "low": entry.headline.low,
        "high": entry.headline.high,
        "families": {name: found.value for name, found in entry.families.items()},
        "beats_adamw": entry.beats_adamw,
        "solved": entry.solved,
        "out_of_the_box": over.out_of_the_box,
        "gain": over.gain,
        "trials_needed": over.trials_needed,
        "sensitivity": over.sensitivity,
        "failed_trials": over.failed_trials,
        "step_cost": over.step_cost,
        "missing": entry.missing,
    }
