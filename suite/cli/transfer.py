"""`suite transfer`: rules of scaling with their verdicts, and whether a gain survives size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import (
    AnyNameType,
    NamesType,
    as_json,
    dry_run,
    entries_of,
    joined,
    limit_time,
    missing_jobs,
    results_folder,
    run_missing,
    wide,
)
from suite.cli.tables import Column, print_json, show_table
from suite.components import registry
from suite.errors import SuiteError, UsageError

if TYPE_CHECKING:
    from leaderboard.transfer import Moved
    from suite.components.discovery import BrokenFile
    from suite.components.rules import Rule, Transfer


@click.command()
@click.argument("names", type=AnyNameType(("rule",)), nargs=-1, metavar="[NAME]...")
@run_missing
@dry_run
@limit_time
@missing_jobs
@click.option("--gain", metavar="METHOD", help="Say whether the gain of this method survives size.")
@click.option("--rival", metavar="METHOD", help="With --gain: over this method.  [default: adamw]")
@click.option(
    "--task",
    "-t",
    "tasks",
    type=NamesType("task"),
    multiple=True,
    callback=joined,
    help="With --gain: tasks, or other sizes of them; names, or a pattern, joined by commas.",
)
@results_folder
@wide
@as_json
def transfer(
    names: tuple[str, ...],
    run: bool,
    dry_run: bool,
    limit_time: float | None,
    jobs: int | None,
    gain: str | None,
    rival: str | None,
    tasks: tuple[str, ...],
    results: Path,
    wide: bool,
    as_json: bool,
) -> int:
    """Say whether rules of scaling hold here, of all or of the named ones.

    A rule predicts how the best value of a hyperparameter changes with the batch, the budget or the
    width. A study of each size sweeps it; the measured best value is compared with the predicted
    one. --gain asks another question: whether a method is better than its rival at other sizes of
    a task, too.

    \b
        suite transfer
        suite transfer adamw_timescale --run
        suite transfer --gain muon --task 'digits*' --run
    """
    if dry_run and not run:
        raise UsageError("--dry-run shows what --run would run: add --run.")
    if gain is not None:
        if names:
            raise UsageError("--gain is about a method, not about rules: leave out the names.")
        from suite.cli import transfer_gain

        return transfer_gain.answer(
            gain, rival, tasks, results, run=run, dry_run=dry_run, limit_time=limit_time,
            jobs=jobs, wide=wide, as_json=as_json,
        )  # fmt: skip
    for option, value in (("--rival", rival), ("--task", tasks)):
        if value:
            raise UsageError(f"{option} belongs to --gain METHOD.")
    rules, broken = _rules(names)
    transfers, unusable = _resolved(rules)
    code = 1 if broken or unusable else 0
    for file in broken:
        click.echo(f"suite: cannot use {file.path}: {file.reason}", err=True)
    for reason in unusable:
        click.echo(f"suite: cannot use {reason}", err=True)
    if run:
        ran = _run(
            transfers, results, jobs=jobs, minutes=limit_time, dry_run=dry_run, as_json=as_json
        )
        if ran is None:
            return code
        code = max(code, ran)
    moved = _decide(transfers, results)
    if as_json:
        print_json({"rules": [in_json(one) for one in moved]})
    else:
        _print(moved, wide=wide)
    return code


def every_transfer() -> Iterator[Transfer]:
    """All rules that can be used, with the facts of their tasks, as the site's page shows them.

    Tasks and methods are imported when the first is asked for, which takes seconds.
    """
    yield from _resolved(registry.load_all("rule")[0])[0]


def _rules(names: Sequence[str]) -> tuple[list[Rule], list[BrokenFile]]:
    if not names:
        return registry.load_all("rule")
    return [rule for name in names for rule in entries_of(name, ("rule",))], []


def _resolved(rules: Sequence[Rule]) -> tuple[list[Transfer], list[str]]:
    """Rules with the facts of their tasks, and why others cannot be used."""
    from suite.studies.transfer_studies import resolved

    found, reasons = [], []
    for rule in rules:
        try:
            found.append(resolved(rule))
        except SuiteError as error:
            reasons.append(str(error))
    return found, reasons


def _decide(transfers: Sequence[Transfer], results: Path) -> list[Moved]:
    from leaderboard import references
    from leaderboard.transfer import decide
    from suite.results.frames import read_folder

    tasks = {size.task for transfer in transfers for size in transfer.sizes}
    stored = read_folder(results, tasks)[0] if results.is_dir() else []
    return decide(transfers, stored, references.load())


def _print(moved: Sequence[Moved], *, wide: bool) -> None:
    """A row for each predicted size, and how many verdicts of each kind there are."""
    from leaderboard.claims import OUTCOMES

    columns = [
        Column("verdict"),
        Column("rule"),
        Column("size"),
        Column("best", 1),
        Column("predicted", 0),
        Column("measured", 0),
        Column("factor predicted", 2),
        Column("measured factor"),
        Column("loss of predicted", 3),
        Column("loss unchanged", 4),
        Column("why", 5, text=True),
    ]
    if moved:
        show_table(columns, [_row(one) for one in moved], wide=wide)
    counts = Counter(one.outcome for one in moved)
    click.echo(", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES))


def _row(one: Moved) -> list[str]:
    return [
        one.outcome,
        one.rule.name,
        one.size,
        one.rule.hyperparameter,
        number(one.predicted_value),
        number(one.value),
        number(one.predicted),
        one.shown or "-",
        number(one.lost, 2),
        number(one.lost_unchanged, 2),
        one.why,
    ]


def number(value: float | None, digits: int = 3) -> str:
    """A number with few digits; "-" if it is not known."""
    return "-" if value is None else f"{value:.{digits}g}"


def in_json(one: Moved) -> dict[str, Any]:
    """A size of a rule with its verdict as JSON."""
    factor = one.factor
    return {
        "rule": one.rule.name,
        "summary": one.rule.summary,
        "paper": one.rule.paper,
        "method": one.rule.method,
        "hyperparameter": one.rule.hyperparameter,
        "base": one.transfer.label(0),
        "size": one.size,
        "verdict": one.outcome,
        "why": one.why,
        "base_value": one.base_value,
        "predicted": one.predicted_value,
        "measured": one.value,
        "predicted_factor": one.predicted,
        "factor": None if factor is None else factor.value,
        "low": None if factor is None else factor.low,
        "high": None if factor is None else factor.high,
        "loss_of_predicted": one.lost,
        "loss_unchanged": one.lost_unchanged,
        "replicates": one.replicates,
        "files": [str(item.path) for item in one.evidence],
    }


def _run(
    transfers: Sequence[Transfer],
    results: Path,
    *,
    jobs: int | None,
    minutes: float | None,
    dry_run: bool,
    as_json: bool,
) -> int | None:
    """Run the studies of rules that are missing; the exit code, None after a dry run."""
    from suite.cli.missing_studies import run_missing
    from suite.cli.summary import Say
    from suite.home import data_folder
    from suite.studies.transfer_studies import TransferStudies, studies_of_rule

    data = data_folder(None)
    wanted, left_out = [], []
    for one in transfers:
        try:
            for size in one.sizes:
                registry.get("task", size.task).problem.prepare(data)
            item = studies_of_rule(one, results=results, data=data)
        except SuiteError as error:
            left_out.append(f"{one.rule.name}: {error}")
            continue
        if item.missing:
            wanted.append(item)

    def told(item: TransferStudies) -> str:
        return "\n".join(
            f"{moved.outcome}: {moved.rule.name}, {moved.size}: "
            + (
                f"{moved.rule.hyperparameter} {moved.shown} times, "
                f"predicted {number(moved.predicted)}"
                if moved.shown
                else moved.why
            )
            for moved in _decide([item.transfer], results)
        )

    return run_missing(
        wanted,
        left_out,
        what=("rule", "rules"),
        named=lambda item: item.transfer.rule.name,
        told=told,
        jobs=jobs,
        minutes=minutes,
        dry_run=dry_run,
        say=Say(as_json=as_json),
    )
