"""`suite validate` and `suite compare`: check result files, and compare methods by them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.cli.options import NameType
from suite.cli.tables import show_table
from suite.errors import InvalidResult, UsageError

#: is in the same folder as the results and is not a result
SCHEMA_FILE = "schema.json"

if TYPE_CHECKING:
    from leaderboard.comparison import Difference
    from leaderboard.standings import TaskStanding


@click.command(no_args_is_help=True)
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(exists=True, path_type=Path),
)
def validate(paths: tuple[Path, ...]) -> int:
    """Check result files, or all below a folder: one line each, exit code 1 if one is refused.

    The schema, the digest and the file's place are checked, and everything that can be computed
    again: scores, seeds, the sampler's proposals, the records of task and method. What could not be
    checked is noted. For results in this checkout, task and method must be registered here; a file
    elsewhere may be about others.
    """
    from suite.home import ROOT
    from suite.results.files import check_place, read
    from suite.results.model import printable
    from suite.results.verification import check_consistency

    files = [file for path in paths for file in _files(path)]
    if not files:
        raise UsageError("no result files (*.json) found: " + ", ".join(map(str, paths)))
    refused = 0
    for file in files:
        name = printable(str(file))
        try:
            result = read(file)
            check_place(result, file.absolute())
            ours = file.resolve().is_relative_to(ROOT / "results")
            notes = check_consistency(result, ours=ours)
        except InvalidResult as error:
            refused += 1
            reason = str(error).removeprefix(f"{file.absolute()}: ").removeprefix(f"{file}: ")
            click.echo(f"refused  {name}: {printable(reason)}")
        else:
            click.echo(f"ok       {name}")
            for note in notes:
                click.echo(f"note     {name}: {printable(note)}")
    click.echo(f"{len(files) - refused} ok, {refused} refused")
    return 1 if refused else 0


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*.json") if not file.name.startswith("."))
    return [file for file in found if file.name != SCHEMA_FILE]


@click.command(no_args_is_help=True)
@click.argument("methods", nargs=-1, required=True, metavar="A B...")
@click.option("--task", type=NameType("task", files=False), required=True)
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the result files.",
)
@click.option("--protocol", help="Default: the one with most trials that all methods have.")
@click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the learning curves to this file (.png, .svg, .pdf).",
)
def compare(
    methods: tuple[str, ...],
    task: str,
    results: Path,
    protocol: str | None,
    figure: Path | None,
) -> None:
    """Compare two or more methods on a task by their results.

    Methods are written as in the results: lion, adamw+grokfast_ema, sgd+sam@sgdr. Differences are
    from the first one, seed by seed, with a bootstrap interval.
    """
    if len(set(methods)) < 2:
        raise UsageError("compare takes two or more different methods.")
    from leaderboard.comparison import choose_standing, differences, draw_curves

    standing, refused = choose_standing(results, task, methods, protocol)
    print_standing(standing)
    for difference in differences(standing, methods):
        click.echo(_sentence(difference, standing))
    if figure is not None:
        draw_curves(standing, methods, figure)
        click.echo(f"Learning curves: {figure}")
    if refused:
        click.echo(f"suite: {refused} files were refused: `suite validate {results}`", err=True)


def print_standing(standing: TaskStanding, marked: Collection[str] = ()) -> None:
    """A table of the methods on a task, best first; an arrow before those that are marked."""
    task = standing.task
    better = "higher" if task.higher_is_better else "lower"
    click.echo(f"{task.name}, protocol {standing.protocol.name}; {better} scores are better")
    columns = ["rank", "method", "score", "bootstrap interval", "scaled", task.metric]
    columns += [] if standing.stream else ["reached"]
    columns += ["evaluations", "seconds", "default", "tuned", "failed", "note"]
    rows = [
        [
            ("→ " if entry.method in marked else "")
            + ("-" if entry.rank is None else str(entry.rank)),
            entry.method,
            f"{entry.raw.value:.4g}",
            f"{entry.raw.low:.4g} to {entry.raw.high:.4g}",
            "-" if entry.scaled is None else f"{entry.scaled.value:.2f}",
            "-" if entry.metric is None else f"{entry.metric:.4g}",
            *([] if standing.stream else [f"{entry.reached} of {len(entry.times_to_target)}"]),
            "-" if entry.gradient_evaluations is None else f"{entry.gradient_evaluations:.0f}",
            "-" if entry.seconds is None else f"{entry.seconds:.3g}",
            f"{entry.default.validation_score:.4g}",
            f"{entry.tuned.validation_score:.4g}",
            str(entry.failures.total()),
            entry.remark,
        ]
        for entry in standing.entries
    ]
    show_table(columns, rows)


def _sentence(difference: Difference, standing: TaskStanding) -> str:
    value, low, high = difference.interval
    better = value > 0 if standing.task.higher_is_better else value < 0
    direction = "better" if better else "worse"
    verdict = "no clear difference" if low <= 0 <= high else direction
    return (
        f"{difference.method} - {difference.baseline}: {value:+.4g} ({low:+.4g} to {high:+.4g}, "
        f"{difference.how}): {verdict}"
    )
