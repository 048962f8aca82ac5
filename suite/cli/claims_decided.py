"""`suite claims --decide` and `--run`: what results say of claims, and running what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leaderboard import references as frozen
from leaderboard.claims import OUTCOMES, Verdict, decide
from suite.cli.missing_studies import run_missing
from suite.cli.summary import Say
from suite.cli.tables import Column, print_json, show_table
from suite.components import registry
from suite.components.claims import Stated
from suite.errors import SuiteError
from suite.results.frames import read_folder

if TYPE_CHECKING:
    from suite.studies.claim_studies import ClaimStudies


def show(listed: Sequence[Stated], results: Path, *, wide: bool, as_json: bool) -> int:
    """Print the verdicts of claims from the results that are there."""
    verdicts = _decide(listed, results)
    if as_json:
        print_json({"verdicts": [in_json(verdict) for verdict in verdicts]})
        return 0
    _print(verdicts, wide=wide)
    return 0


def _decide(listed: Sequence[Stated], results: Path) -> list[Verdict]:
    tasks = {one.claim.task for one in listed}
    stored = read_folder(results, tasks)[0] if results.is_dir() else []
    return decide(listed, stored, frozen.load())


def _print(verdicts: Sequence[Verdict], *, wide: bool) -> None:
    """Those that are decided or could be, first; then how many of each there are."""
    columns = [
        Column("verdict"),
        Column("method"),
        Column("task", 1),
        Column("is claimed to be", 2, text=True),
        Column("estimate", 0),
        Column("why", 3, text=True),
    ]
    ran = [verdict for verdict in verdicts if verdict.outcome != "not run"]
    ran.sort(key=lambda verdict: OUTCOMES.index(verdict.outcome))
    if ran:
        show_table(columns, [_row(verdict) for verdict in ran], wide=wide)
    counts = Counter(verdict.outcome for verdict in verdicts)
    click.echo(", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES))


def _row(verdict: Verdict) -> list[str]:
    one = verdict.stated
    return [
        verdict.outcome,
        one.label,
        one.claim.task,
        one.compared,
        verdict.shown,
        verdict.why,
    ]


def in_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON, with its claim."""
    one, found = verdict.stated, verdict.estimate
    return {
        "kind": one.component.kind,
        "name": one.component.name,
        "says": one.claim.says,
        "method": one.method,
        "rival": one.claim.rival,
        "task": one.claim.task,
        "compared": one.compared,
        "verdict": verdict.outcome,
        "why": verdict.why,
        "estimate": None if found is None else found.value,
        "low": None if found is None else found.low,
        "high": None if found is None else found.high,
        "unit": verdict.unit,
        "replicates": verdict.replicates,
        "protocol": verdict.protocol,
        "tried": verdict.tried,
        "files": [str(item.path) for item in verdict.evidence],
    }


# -- running --------------------------------------------------------------------------------------


def run(
    listed: Sequence[Stated],
    results: Path,
    *,
    protocol: str,
    jobs: int | None,
    minutes: float | None,
    dry_run: bool,
    full: bool,
    wide: bool,
    as_json: bool,
) -> int:
    """Run what undecided claims lack, cheapest first, and print the verdicts.

    Claims about tasks of the full track are left out without `full`. An interrupted run is
    resumed by the same command. Returns the exit code.
    """
    say = Say(as_json=as_json)
    undecided = [v.stated for v in _decide(listed, results) if v.outcome not in OUTCOMES[:2]]
    wanted, left_out = _plan(undecided, protocol, results, full=full)

    def told(item: ClaimStudies) -> str:
        verdict = _decide([item.stated], results)[0]
        return f"{verdict.outcome}: {_named(item.stated)}; {verdict.shown or verdict.why}"

    code = run_missing(
        wanted,
        left_out,
        what=("claim", "claims"),
        named=lambda item: _named(item.stated),
        told=told,
        jobs=jobs,
        minutes=minutes,
        dry_run=dry_run,
        say=say,
    )
    return 0 if code is None else max(code, show(listed, results, wide=wide, as_json=as_json))


def _named(one: Stated) -> str:
    return f"{one.label} on {one.claim.task}, {one.compared}"


def _plan(
    claims: Iterable[Stated], protocol: str, results: Path, *, full: bool
) -> tuple[list[ClaimStudies], list[str]]:
    """The claims with a study to run, and why others are left out, in words."""
    from suite.home import data_folder
    from suite.studies.claim_studies import studies_of

    wanted, reasons = [], []
    tasks: Counter[str] = Counter()
    data = data_folder(None)
    for one in claims:
        try:
            task = registry.get("task", one.claim.task)
            if task.track == "full" and not full:
                tasks[one.claim.task] += 1
                continue
            task.problem.prepare(data)
            item = studies_of(one, protocol, results=results, data=data)
        except SuiteError as error:
            reasons.append(f"{_named(one)}: {error}")
            continue
        if item.missing:
            wanted.append(item)
    reasons += [
        f"{number} of {name}, a task of the full track: `suite claims --run --task {name}`"
        for name, number in sorted(tasks.items())
    ]
    return wanted, reasons
