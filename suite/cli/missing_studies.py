"""Running the studies that questions lack: of claims, of rules of scaling, of gains."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from suite import interrupts
from suite.cli.summary import Say
from suite.cli.workers import local_executor
from suite.errors import StudyStopped
from suite.words import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suite.execution.executor import Executor
    from suite.studies.claim_studies import Studies
    from suite.studies.plan import Plan

Some = TypeVar("Some", bound="Studies")


def run_missing(
    wanted: Sequence[Some],
    left_out: Sequence[str],
    *,
    what: tuple[str, str],
    named: Callable[[Some], str],
    told: Callable[[Some], str],
    jobs: int | None,
    minutes: float | None,
    dry_run: bool,
    say: Say,
) -> int | None:
    """Run what questions lack, cheapest first; returns the exit code, None after a dry run.

    `what` is what the questions are called, one and several; `named` says which one an item is,
    `told` what the results say of it once its studies have run. `minutes` is the time after which
    no further question begins. An interrupted run is resumed by the same command.
    """
    from suite.studies.claim_studies import cheapest_first
    from suite.studies.run_studies import default_jobs

    count = default_jobs("cpu") if jobs is None else jobs
    one, several = what
    order = list(cheapest_first(wanted, _seconds(wanted, max(1, count))))
    studies = _studies(sum(len(plans) for _, plans, _ in order))
    need = counted(len(order), f"{one} needs", f"{several} need")
    say(
        f"{need} {studies}, {max(1, count)} at a time: about "
        f"{duration(sum(cost for *_, cost in order))} on this machine."
    )
    for reason in left_out:
        say(f"left out: {reason}")
    if dry_run:
        for item, plans, cost in order:
            say(f"about {duration(cost)}: {named(item)} ({_studies(len(plans))})")
        return None
    interrupts.catch()
    code = 0
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes
    with _executor(count) as executor:
        for i, (item, plans, cost) in enumerate(order):
            if time.monotonic() + cost > until:
                left = len(order) - i
                verb = "is" if left == 1 else "are"
                say(f"The time is over: {counted(left, one, several)} {verb} left.")
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
            say(told(item))
    say()
    return code


def counted(number: int, one: str, several: str = "") -> str:
    """A number with what is counted: "1 claim", "2 claims"."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def _studies(number: int) -> str:
    return counted(number, "study", "studies")


def _seconds(wanted: Sequence[Studies], jobs: int) -> dict[str, float]:
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
