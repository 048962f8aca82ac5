"""`suite compare`: the difference between methods on a task or over a track."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.compare_diagnostics import (
    columns_named,
    diagnosed,
    diagnostics_in_json,
    print_diagnostics,
)
from suite.cli.options import NameType, as_json, results_folder, wide
from suite.cli.standings import (
    interval,
    number,
    print_refused,
    print_standing,
    published,
    standing_in_json,
)
from suite.cli.tables import Column, print_json, show_table
from suite.errors import UsageError

if TYPE_CHECKING:
    from leaderboard.comparison import TaskComparison, TrackComparison
    from leaderboard.statistics import Pair


@click.command(no_args_is_help=True)
@click.argument("methods", nargs=-1, required=True, metavar="A B...")
@click.option("--task", "-t", type=NameType("task", files=False), help="Compare on this task.")
@click.option(
    "--track",
    type=click.Choice(["mini", "full"]),
    help="Compare over the core tasks of this track. Default, without a task: mini.",
)
@click.option("--protocol", "-p", help="Default: the one with most trials that all methods have.")
@results_folder
@published
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="TEXT",
    help="With a task: show the recorded diagnostics with this text in their names side by side, "
    "such as sharpness; 'all' shows every one.",
)
@click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With a task: write the learning curves, or with --probe the diagnostics along the "
    "budget, to this file (.png, .svg, .pdf).",
)
@wide
@as_json
def compare(
    methods: tuple[str, ...],
    task: str | None,
    track: str | None,
    protocol: str | None,
    results: Path,
    published: bool | None,
    probes: tuple[str, ...],
    figure: Path | None,
    wide: bool,
    as_json: bool,
) -> None:
    """Compare two or more methods on a task, or over a track, by their results.

    Methods are written as in the results: lion, adamw+grokfast_ema, sgd+sam@sgdr. Differences are
    from the first one, replicate by replicate, with an interval and a verdict (Holm's correction
    over all pairs of these methods).
    """
    if len(set(methods)) < 2:
        raise UsageError("compare takes two or more different methods.")
    if task is not None and track is not None:
        raise UsageError("--task and --track exclude each other.")
    if figure is not None and task is None:
        raise UsageError("--figure shows the learning curves on one task: name it with --task.")
    if probes and task is None:
        raise UsageError("--probe shows the diagnostics on one task: name it with --task.")
    if probes and published:
        raise UsageError("--probe and --published exclude each other: those have no diagnostics.")
    from leaderboard.board import find_board
    from leaderboard.comparison import compare_on_task, compare_on_track
    from leaderboard.plot import check_figure, save_curves, save_diagnostics

    if figure is not None:
        check_figure(figure)
    published = False if probes else published
    board = find_board(results, published, None if task is None else [task])
    if task is None:
        over = compare_on_track(board, track or "mini", methods, protocol)
        if as_json:
            print_json(_track_in_json(over))
        else:
            _print_track(over, wide=wide)
    else:
        on_task = compare_on_task(board, task, methods, protocol)
        found = diagnosed(on_task, results) if probes else {}
        columns = columns_named(probes, found) if probes else {}
        if as_json:
            seen = {"diagnostics": diagnostics_in_json(found, columns)} if probes else {}
            print_json({**_task_in_json(on_task, figure), **seen})
        else:
            _print_task(on_task, wide=wide)
            if probes:
                print_diagnostics(found, columns, wide=wide)
        if figure is not None and probes:
            save_diagnostics(found, columns, figure)
            click.echo(f"Diagnostics: {figure}", err=as_json)
        elif figure is not None:
            save_curves(on_task.standing, on_task.methods, figure)
            click.echo(f"Learning curves: {figure}", err=as_json)
    print_refused(board, results)


def _print_task(found: TaskComparison, *, wide: bool) -> None:
    print_standing(found.standing, shown=found.methods, rest=False, wide=wide)
    first = found.methods[0]
    count = len(found.entries[0].scores)
    for method, pair in found.differences.items():
        click.echo(f"{method} - {first}: {_in_words(pair, 4, f', paired over {count} replicates')}")


def _in_words(pair: Pair, digits: int, how: str = "") -> str:
    """`-0.1 (-0.2 to -0.05, paired over 3 replicates): worse`."""
    ends = interval(pair, digits)
    around = "no interval from one replicate" if ends == "-" else ends
    verdict = "no clear difference" if pair.verdict == "tied" else pair.verdict
    return f"{pair.value:+.{digits}g} ({around}{how}): {verdict}"


def _print_track(found: TrackComparison, *, wide: bool) -> None:
    """A row for each task, in scaled scores, and the headline's difference."""
    first, *others = found.methods
    protocol = found.track.protocol.name
    click.echo(f"track {found.track.track}, protocol {protocol}, scaled scores; * is a clear")
    click.echo(f"difference from {first} on the task: 0 is SGD with defaults, 1 is tuned AdamW.")
    rows = []
    for on_task in found.tasks:
        cells = [number(e.scaled.value if e.scaled else None, 3) for e in on_task.entries]
        marks = ["", *("" if p.verdict == "tied" else "*" for p in on_task.differences.values())]
        task = on_task.standing.task
        family = found.track.family_of[task.name]
        rows.append([task.name, family, *map("".join, zip(cells, marks, strict=True))])
    means = [f"{found.comparisons.means[method].value:.3g}" for method in found.methods]
    rows.append(["headline", "", *means])
    show_table([Column("task"), Column("family", 1), *found.methods], rows, wide=wide)
    if found.missing:
        click.echo(f"Not run by all of them: {', '.join(found.missing)}.")
    for method in others:
        click.echo(f"headline, {method} - {first}: {_in_words(found.differences[method], 3)}")


def _task_in_json(found: TaskComparison, figure: Path | None) -> dict[str, Any]:
    return {
        **standing_in_json(found.standing, found.entries),
        "differences": _differences_in_json(found),
        "figure": None if figure is None else str(figure),
    }


def _track_in_json(found: TrackComparison) -> dict[str, Any]:
    means = found.comparisons.means
    return {
        "track": found.track.track,
        "protocol": found.track.protocol.name,
        "missing": found.missing,
        "headlines": {
            method: {
                "score": means[method].value,
                "low": means[method].low,
                "high": means[method].high,
            }
            for method in found.methods
        },
        "differences": _differences_in_json(found),
        "tasks": [_task_in_json(on_task, None) for on_task in found.tasks],
    }


def _differences_in_json(found: TaskComparison | TrackComparison) -> list[dict[str, Any]]:
    return [
        {
            "method": method,
            "baseline": found.methods[0],
            "difference": pair.value,
            "low": pair.low,
            "high": pair.high,
            "p": pair.p,
            "adjusted_p": pair.adjusted_p,
            "verdict": pair.verdict,
        }
        for method, pair in found.differences.items()
    ]
