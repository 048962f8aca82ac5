"""What `suite run` says about studies: before they run, and after; as text or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.tables import print_json
from suite.errors import MissingData, StudyStopped, SuiteError
from suite.words import duration, in_words

if TYPE_CHECKING:
    from suite.results.model import Replicate, Result
    from suite.studies.plan import Plan


class Say:
    """Where text for people goes: standard output, or standard error beside a JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def __call__(self, line: str = "") -> None:
        click.echo(line, err=self.as_json)


def print_plans(plans: list[Plan], jobs: int, force: bool, say: Say) -> None:
    """Each study's trials, cost, time and place. Fetches no data: without data no time is shown."""
    from suite.studies.estimate import study_estimates

    todo = [plan for plan in plans if force or plan.finished() is None]
    seconds: dict[str, float] = {}
    without: dict[str, MissingData] = {}
    for name in dict.fromkeys(plan.task.name for plan in todo):
        try:
            of_task = [plan for plan in todo if plan.task.name == name]
            found = study_estimates(of_task, jobs)
            seconds |= {identity: estimate.seconds for identity, estimate in found.items()}
        except MissingData as error:
            without[name] = error
    if say.as_json:
        print_json({"jobs": jobs, "studies": [_planned(p, p in todo, seconds) for p in plans]})
    for plan in plans:
        rules = plan.rules
        if plan not in todo:
            state = "done already"
        elif plan.identity in seconds:
            state = "about " + duration(seconds[plan.identity])
        else:
            state = f"time unknown. {without[plan.task.name]}"
        say(
            f"{plan.name}: {rules.replicates} x ({rules.trials} tuning trials + {rules.seeds} "
            f"{'seed' if rules.seeds == 1 else 'seeds'}), "
            f"{_cost(plan):,.0f} gradient evaluations of batch {plan.task.batch_size}; {state}"
        )
        say(f"  result: {plan.result_path()[0]}")
    total = duration(sum(seconds.values()))
    unknown = len(todo) - len(seconds)
    rest = f", and {unknown} of unknown time" if unknown else ""
    say(f"{len(todo)} of {len(plans)} studies to run, about {total} with {jobs} jobs here{rest}.")


def _cost(plan: Plan) -> float:
    """Gradient evaluations of the whole study."""
    return plan.budget / plan.task.batch_size * plan.trials


def _named(plan: Plan, status: str) -> dict[str, Any]:
    return {
        "method": plan.method.name,
        "task": plan.task.name,
        "protocol": plan.rules.name,
        "seed": plan.seed,
        "status": status,
    }


def _planned(plan: Plan, to_run: bool, seconds: dict[str, float]) -> dict[str, Any]:
    return {
        **_named(plan, "to run" if to_run else "done already"),
        "result": str(plan.result_path()[0]),
        "replicates": plan.rules.replicates,
        "trials": plan.rules.trials,
        "seeds": plan.rules.seeds,
        "gradient_evaluations": _cost(plan),
        "batch_size": plan.task.batch_size,
        "seconds": seconds.get(plan.identity),
    }


def print_ended(
    plans: Sequence[Plan],
    ended: Sequence[Result | StudyStopped],
    ran: Sequence[Plan],
    not_run: Sequence[SuiteError],
    say: Say,
    *,
    wide: bool,
    compared: bool = True,
) -> None:
    """What came out of each study; `ran` are those that were not done before.

    With `compared`, tables show them among the results of the folder.
    """
    pairs = list(zip(plans, ended, strict=True))
    if say.as_json:
        print_json(
            {
                "studies": [_ended(plan, result, plan in ran) for plan, result in pairs],
                "not_run": [str(error) for error in not_run],
            }
        )
    for plan, result in pairs:
        if not isinstance(result, StudyStopped):
            _print_result(plan, plan.result_path()[0], result, say)
    finished = [plan for plan, result in pairs if not isinstance(result, StudyStopped)]
    if finished and compared and not say.as_json:
        _print_standings(finished, wide=wide)
    for result in ended:
        if isinstance(result, StudyStopped):
            click.echo(f"\nsuite: {result}", err=True)


def _ended(plan: Plan, result: Result | StudyStopped, ran: bool) -> dict[str, Any]:
    """A study in the JSON document."""
    if isinstance(result, StudyStopped):
        return {**_named(plan, "stopped"), "result": None, "error": str(result)}
    return {
        **_named(plan, "written" if ran else "done already"),
        "result": str(plan.result_path()[0]),
        "error": None,
        "higher_is_better": result.task.higher_is_better,
        "scores": result.scores,
        "replicates": [_replicate(replicate) for replicate in result.replicates],
    }


def _replicate(replicate: Replicate) -> dict[str, Any]:
    chosen = replicate.chosen_run
    return {
        "seed": replicate.seed,
        "chosen": {
            "trial": chosen.number,
            "hyperparameters": chosen.hyperparameters,
            "validation_score": chosen.validation_score,
        },
        "default_validation_score": replicate.tuning[0].validation_score,
        "test_scores": [run.test_score for run in replicate.evaluation],
        "failed": [
            {
                "purpose": purpose,
                "number": run.number,
                "status": run.status,
                "reason": run.reason,
            }
            for purpose, runs in replicate.by_purpose()
            for run in runs
            if not run.succeeded
        ],
    }


def _print_result(plan: Plan, path: Path, result: Result, say: Say) -> None:
    say(f"\n{plan.name}: {path}")
    for number, replicate in enumerate(result.replicates):
        of = "" if len(result.replicates) == 1 else f"replicate {number}: "
        chosen = replicate.chosen_run
        if values := in_words(chosen.hyperparameters):
            which = "the defaults" if chosen.number == 0 else f"trial {chosen.number}"
            trials = len(replicate.tuning)
            among = f", the best of {trials} trials" if trials > 1 else ""
            say(f"  {of}chosen: {values} ({which}{among})")
        for purpose, runs in replicate.by_purpose():
            failed = [run for run in runs if not run.succeeded]
            for (status, reason), alike in groupby(failed, lambda run: (run.status, run.reason)):
                numbers = ", ".join(str(run.number) for run in alike)
                say(f"  {of}{purpose} trial {numbers} {status}: {reason}")


def _print_standings(plans: list[Plan], *, wide: bool) -> None:
    """What was run, compared with the baselines in the results folder: one table per task."""
    from leaderboard.board import find_board
    from suite.cli.standings import print_refused, print_standing

    folder, rules = plans[0].results, plans[0].rules
    board = find_board(folder, None, {plan.task.name for plan in plans})
    marked = {plan.method.name for plan in plans}
    for name in sorted(board.tasks):
        standing = board.task(name, rules.name)
        if standing is not None:
            click.echo()
            print_standing(standing, marked=marked, shown=marked | _baselines(), wide=wide)
    if not rules.ranked:
        click.echo(f"A '{rules.name}' run is never ranked.")
    print_refused(board, folder)


def _baselines() -> set[str]:
    """The optimizers of this repository, each alone: what a method is first compared with."""
    from suite.components.discovery import ROOT, declarations

    folder = ROOT / "baselines"
    return {
        name
        for (kind, name), places in declarations()[0].items()
        if kind == "optimizer"
        and any(isinstance(place, Path) and place.is_relative_to(folder) for place in places)
    }
