"""Running studies on this machine, for `suite run`: workers, what is shown, interruption."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict

import click

from suite import interrupts
from suite.cli.summary import Say
from suite.errors import StudyStopped


class How(TypedDict):
    """How studies are run, on whatever machine."""

    force: bool
    keep_going: bool
    say: Say


if TYPE_CHECKING:
    from suite.execution.executor import Executor
    from suite.execution.starting import Starter
    from suite.results.model import Result
    from suite.studies.estimate import Estimate
    from suite.studies.plan import Plan
    from suite.studies.run_studies import View

    #: how each study ended, and the plans that were not done before
    Ended = tuple[list[Result | StudyStopped], list[Plan]]
    #: lets diagnostics look at an ended study
    Look = Callable[..., Result | StudyStopped]
    #: runs plans on other machines, so many trials at a time; None if the user has left them
    Elsewhere = Callable[[list[Plan], int | None, How], Ended | None]

#: how to run again what is done
AGAIN = " (--force runs it again)"


def run_plans(
    plans: list[Plan],
    jobs: int,
    starter: Starter | None,
    *,
    per_device: int | None = None,
    executor: Executor | None = None,
    force: bool,
    keep_going: bool,
    say: Say,
    watched: Callable[[View], View] = lambda view: view,
    again: str = AGAIN,
    look: Look | None = None,
) -> Ended | None:
    """How each study ended, and the plans that were run; None if the user interrupted them.

    Trials run in processes of the starter, or in this one; or where an executor runs them, which is
    closed at the end. `watched` may put another view around the one
    that is shown; `again` says how to run again what is done; `look` lets diagnostics look at the
    ended studies.
    """
    from suite.cli.live_view import PlainView, make_view
    from suite.execution.inline import InlineExecutor
    from suite.execution.local import LocalExecutor
    from suite.studies.run_studies import attempt_studies

    interrupts.catch()
    todo = say_what_is_done(plans, say, force=force, again=again)
    if not todo and look is None:
        return results_of(plans), todo
    where = "on machines like this one" if executor else "on this machine"
    estimates = _say_how_long(todo, jobs, where, say) if todo else {}
    if executor is None and starter is not None:
        executor = LocalExecutor(jobs, starter, per_device)
    elif executor is None:
        executor = InlineExecutor(tracebacks=True)
    # A live view would draw over a debugger.
    in_process = isinstance(executor, InlineExecutor)
    shown = PlainView(todo, estimates) if in_process else make_view(todo, estimates)
    try:
        with shown as view:
            ended = attempt_studies(
                plans, executor, max(1, jobs), watched(view), force=force, keep_going=keep_going
            )
        if look is not None:
            pairs = zip(plans, ended, strict=True)
            ended = [look(plan, end, executor, max(1, jobs), say) for plan, end in pairs]
        return ended, todo
    except KeyboardInterrupt:
        without = " without --force" if force else ""
        click.echo(
            f"\nInterrupted. Every finished trial is kept; the same command{without} resumes where "
            "it stopped.",
            err=True,
        )
        return None
    finally:
        executor.close()


def looking(names: Sequence[str], points: int) -> Look | None:
    """What lets the diagnostics look at an ended study; None without any."""
    if not names:
        return None
    from suite.studies.probing import Wanted, find_diagnostics, probe

    diagnostics = tuple(find_diagnostics(names))

    def look(
        plan: Plan, ended: Result | StudyStopped, executor: Executor, jobs: int, say: Say
    ) -> Result | StudyStopped:
        if isinstance(ended, StudyStopped):
            return ended
        return probe(Wanted(plan, ended, diagnostics, points), executor, jobs, say)

    return look


def results_of(plans: Sequence[Plan]) -> list[Result | StudyStopped]:
    """The results that are there."""
    return [there for plan in plans if (there := plan.finished()) is not None]


def say_what_is_done(
    plans: Sequence[Plan], say: Say, *, force: bool, again: str = AGAIN
) -> list[Plan]:
    """Say which studies are done already; returns the others, or all with `force`."""
    todo = [plan for plan in plans if plan.finished() is None or force]
    for plan in plans:
        if plan not in todo:
            say(f"{plan.name}: done already, {plan.result_path()[0]}{again}")
        elif reason := plan.why_own_name():
            say(f"{plan.name}: {reason}. This one goes to {plan.result_path()[0]}")
    return todo


def exit_code(ended: Sequence[Result | StudyStopped]) -> int:
    """0 if every study has a result and every evaluation run of it completed."""
    results = [result for result in ended if not isinstance(result, StudyStopped)]
    whole = all(run.status == "completed" for result in results for run in result.evaluation_runs)
    return 0 if whole and len(results) == len(ended) else 1


def _say_how_long(plans: list[Plan], jobs: int, where: str, say: Say) -> dict[str, Estimate]:
    """Print it; returns what each study should take by its identity."""
    from suite.studies.estimate import study_estimates
    from suite.words import duration

    trials = sum(plan.trials for plan in plans)
    estimates = study_estimates(plans, max(1, jobs))
    # Workers import torch's compiler, too: they are ready in about as long as this process took.
    seconds = sum(each.seconds for each in estimates.values()) + time.process_time()
    studies = "1 study" if len(plans) == 1 else f"{len(plans)} studies"
    how = f"{jobs} at a time" if jobs else "in this process"
    say(f"{studies}, {trials} trials, {how}: about {duration(seconds)} {where}.")
    return estimates
