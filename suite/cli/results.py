"""`suite validate` and `suite compare`: check result files, and compare methods by them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import NameType, as_json, wide
from suite.cli.tables import Column, print_json, show_table
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
@as_json
def validate(paths: tuple[Path, ...], as_json: bool) -> int:
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
    found: list[dict[str, Any]] = []
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
            found.append({"file": name, "ok": False, "reason": printable(reason), "notes": []})
            click.echo(f"refused  {name}: {printable(reason)}", err=as_json)
        else:
            found.append({"file": name, "ok": True, "reason": None, "notes": notes})
            if as_json:
                continue
            click.echo(f"ok       {name}")
            for note in notes:
                click.echo(f"note     {name}: {printable(note)}")
    click.echo(f"{len(files) - refused} ok, {refused} refused", err=as_json)
    if as_json:
        print_json({"ok": len(files) - refused, "refused": refused, "files": found})
    return 1 if refused else 0


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*.json") if not file.name.startswith("."))
    return [file for file in found if file.name != SCHEMA_FILE]


@click.command(no_args_is_help=True)
@click.argument("methods", nargs=-1, required=True, metavar="A B...")
@click.option("--task", "-t", type=NameType("task", files=False), required=True)
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the result files.",
)
@click.option("--protocol", "-p", help="Default: the one with most trials that all methods have.")
@click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the learning curves to this file (.png, .svg, .pdf).",
)
@wide
@as_json
def compare(
    methods: tuple[str, ...],
    task: str,
    results: Path,
    protocol: str | None,
    figure: Path | None,
    wide: bool,
    as_json: bool,
) -> None:
    """Compare two or more methods on a task by their results.

    Methods are written as in the results: lion, adamw+grokfast_ema, sgd+sam@sgdr. Differences are
    from the first one, seed by seed, with a bootstrap interval.
    """
    if len(set(methods)) < 2:
        raise UsageError("compare takes two or more different methods.")
    from leaderboard.comparison import check_figure, choose_standing, differences, draw_curves

    if figure is not None:
        check_figure(figure)
    standing, refused = choose_standing(results, task, methods, protocol)
    found = differences(standing, methods)
    if as_json:
        print_json(_in_json(standing, found, figure))
    else:
        print_standing(standing, wide=wide)
        for difference in found:
            click.echo(_sentence(difference, standing))
    if figure is not None:
        draw_curves(standing, methods, figure)
        click.echo(f"Learning curves: {figure}", err=as_json)
    if refused:
        click.echo(f"suite: {refused} files were refused: `suite validate {results}`", err=True)


def print_standing(
    standing: TaskStanding,
    marked: Collection[str] = (),
    shown: Collection[str] | None = None,
    *,
    wide: bool = False,
) -> None:
    """A table of the methods on a task, best first; an arrow before those that are marked.

    `shown` are the methods of the table, if not all; ranks are among all.
    """
    task = standing.task
    better = "higher" if task.higher_is_better else "lower"
    click.echo(f"{task.name}, protocol {standing.protocol.name}; {better} scores are better")
    alone = len(standing.ranked) == 1  # the first of one says nothing
    entries = [e for e in standing.entries if shown is None or e.method in shown]
    columns = [
        Column("rank"),
        Column("method"),
        Column("score"),
        Column("bootstrap interval", 1),
        Column("scaled", 4),
        Column(task.metric, 5),
        *([] if standing.stream else [Column("reached", 6)]),
        Column("evaluations", 8),
        Column("step cost", 7),
        Column("default", 10),
        Column("tuned", 9),
        Column("failed", 2),
        Column("note", 3, text=True),
    ]
    rows = [
        [
            ("> " if entry.method in marked else "")
            + ("-" if entry.standing is None or alone else _ranks(entry.standing.ranks)),
            entry.method,
            f"{entry.raw.value:.4g}",
            f"{entry.raw.low:.4g} to {entry.raw.high:.4g}",
            "-" if entry.scaled is None else f"{entry.scaled.value:.2f}",
            "-" if entry.metric is None else f"{entry.metric:.4g}",
            *([] if standing.stream else [f"{entry.reached} of {len(entry.times_to_target)}"]),
            "-" if entry.gradient_evaluations is None else f"{entry.gradient_evaluations:.0f}",
            _number(entry.step_cost),
            _number(entry.tuning.out_of_the_box),
            _number(entry.tuning.tuned),
            str(entry.failures.total()),
            entry.remark,
        ]
        for entry in entries
    ]
    show_table(columns, rows, wide=wide)
    hidden = len(standing.entries) - len(entries)
    if hidden:
        click.echo(
            f"{hidden} more {'result is' if hidden == 1 else 'results are'} in the folder: `suite "
            f"compare METHOD METHOD --task {task.name}` shows them."
        )


def _ranks(ranks: tuple[int, int]) -> str:
    """A range of ranks: `2` or `1-4`."""
    first, last = ranks
    return str(first) if first == last else f"{first}-{last}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _in_json(
    standing: TaskStanding, found: Sequence[Difference], figure: Path | None
) -> dict[str, Any]:
    """A comparison as a JSON document."""
    task = standing.task
    return {
        "task": task.name,
        "protocol": standing.protocol.name,
        "higher_is_better": task.higher_is_better,
        "metric": task.metric,
        "methods": [
            {
                "method": entry.method,
                "rank": entry.rank,
                "score": entry.raw.value,
                "low": entry.raw.low,
                "high": entry.raw.high,
                "scaled": None if entry.scaled is None else entry.scaled.value,
                "metric": entry.metric,
                "reached": None if standing.stream else entry.reached,
                "runs": entry.runs,
                "gradient_evaluations": entry.gradient_evaluations,
                "step_cost": entry.step_cost,
                "out_of_the_box": entry.tuning.out_of_the_box,
                "tuned": entry.tuning.tuned,
                "chosen": [each.evaluation[0].hyperparameters for each in entry.result.replicates],
                "failed": dict(entry.failures),
                "note": entry.remark,
                "result": str(entry.stored.path),
            }
            for entry in standing.entries
        ],
        "differences": [
            {
                "method": each.method,
                "baseline": each.baseline,
                "difference": each.interval.value,
                "low": each.interval.low,
                "high": each.interval.high,
                "how": each.how,
            }
            for each in found
        ],
        "figure": None if figure is None else str(figure),
    }


def _sentence(difference: Difference, standing: TaskStanding) -> str:
    value, low, high = difference.interval
    better = value > 0 if standing.task.higher_is_better else value < 0
    direction = "better" if better else "worse"
    verdict = "no clear difference" if low <= 0 <= high else direction
    return (
        f"{difference.method} - {difference.baseline}: {value:+.4g} ({low:+.4g} to {high:+.4g}, "
        f"{difference.how}): {verdict}"
    )
