"""`suite claims --decide` and `--run`: what results say of claims, and running what is missing."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leaderboard import references as frozen
from leaderboard.claims import OUTCOMES, Verdict, decide
from suite import interrupts
from suite.cli.summary import Say
from suite.cli.tables import Column, print_json, show_table
from suite.cli.workers import local_executor
from suite.components import registry
from suite.components.claims import Stated
from suite.errors import StudyStopped, SuiteError
from suite.results.frames import read_folder
from suite.words import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suite.execution.executor import Executor
    from suite.studies.claim_studies import ClaimStudies
    from suite.studies.plan import Plan


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
    from suite.studies.claim_studies import cheapest_first
    from suite.studies.run_studies import default_jobs

    say = Say(as_json=as_json)
    count = default_jobs("cpu") if jobs is None else jobs
    undecided = [v.stated for v in _decide(listed, results) if v.outcome not in OUTCOMES[:2]]
    wanted, left_out = _plan(undecided, protocol, results, full=full)
    seconds = _seconds(wanted, max(1, count))
    order = list(cheapest_first(wanted, seconds))
    studies = _counted(sum(len(plans) for _, plans, _ in order), "study", "studies")
    say(
        f"{_counted(len(order), 'claim needs', 'claims need')} {studies}, "
        f"{max(1, count)} at a time: about {duration(sum(cost for *_, cost in order))} on this "
        "machine."
    )
    for reason in left_out:
        say(f"left out: {reason}")
    if dry_run:
        for item, plans, cost in order:
            studies = _counted(len(plans), "study", "studies")
            say(f"about {duration(cost)}: {_named(item.stated)} ({studies})")
        return 0
    interrupts.catch()
    code = 0
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes
    with _executor(count) as executor:
        for i, (item, plans, cost) in enumerate(order):
            if time.monotonic() + cost > until:
                left = len(order) - i
                verb = "is" if left == 1 else "are"
                say(f"The time is over: {_counted(left, 'claim')} {verb} left.")
                break
            try:
                stopped = _run_studies(plans, executor, count)
            except KeyboardInterrupt:
                say("Interrupted. Finished trials are kept; the same command resumes them.")
                code = 130
                break
            for error in stopped:
                say(str(error))
            code = max(code, 1 if stopped else 0)
            verdict = _decide([item.stated], results)[0]
            say(f"{verdict.outcome}: {_named(item.stated)}; {verdict.shown or verdict.why}")
    say()
    return max(code, show(listed, results, wide=wide, as_json=as_json))


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


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


def _seconds(wanted: Sequence[ClaimStudies], jobs: int) -> dict[str, float]:
    """What each missing study should take, by its identity."""
    from suite.studies.estimate import study_estimates

    plans = {plan.identity: plan for item in wanted for plan in item.missing}
    estimates = study_estimates(list(plans.values()), jobs)
    return {identity: estimate.seconds for identity, estimate in estimates.items()}


@contextmanager
def _executor(jobs: int) -> Iterator[Executor]:
    """Trials in processes of their own, or with 0 jobs in this one."""
    if jobs:
        with local_executor(1, jobs) as executor:
            yield executor
        return
    from suite.execution.inline import InlineExecutor
    from suite.home import make_home

    make_home()
    yield InlineExecutor(tracebacks=True)


def _run_studies(plans: Sequence[Plan], executor: Executor, jobs: int) -> list[StudyStopped]:
    """Run studies; returns the errors that stopped some of them."""
    from suite.studies.run_studies import Silent, attempt_studies

    ended = attempt_studies(plans, executor, max(1, jobs), Silent())
    return [result for result in ended if isinstance(result, StudyStopped)]
