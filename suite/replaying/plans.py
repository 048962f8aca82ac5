"""What can be run again of a result, with the method and the task of this checkout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from suite.components.method import Method
from suite.components.registry import Component
from suite.errors import InvalidResult, MissingData, SuiteError
from suite.execution.executor import Ended, Executor, Job, Refused
from suite.problems.task import Task
from suite.results.model import Purpose, Result, Run, Status
from suite.results.verification import check_consistency, recorded_rules, registered
from suite.studies.plan import Plan, make_plan
from suite.training.seeds import derive

#: statuses that follow from the seed; a timeout or a full memory need not come again
REPEATABLE: tuple[Status, ...] = ("completed", "diverged")


class NotReplayable(SuiteError):
    """Nothing of a result can be run again here; the text says why."""


@dataclass(frozen=True)
class Chosen:
    """One run of a result."""

    replicate: int
    purpose: Purpose
    run: Run

    @property
    def title(self) -> str:
        """How a user knows the run."""
        return f"replicate {self.replicate} {self.purpose} {self.run.number}"


def replay_plan(result: Result, data: Path) -> Plan:
    """The plan of a result's study; raises NotReplayable with the reason.

    The result must be consistent in itself, and its task and components those of this checkout:
    with another text of a file, a difference would say nothing about the result.
    """
    try:
        check_consistency(result)
    except InvalidResult as error:
        raise NotReplayable(f"not consistent: {error}") from None
    task: Task | None = registered("task", result.task.name)
    if task is None:
        raise NotReplayable(f"the task '{result.task.name}' is not registered here")
    if (task.version, task.fingerprint) != (result.task.version, result.task.fingerprint):
        raise NotReplayable(f"the task '{task.name}' is another one here: run the result again")
    method = Method(
        tuple(_component(record.kind, record.name, result) for record in result.method.components)
    )
    return make_plan(
        method,
        task,
        recorded_rules(result),
        seed=result.seed,
        device=result.device,
        threads=result.threads,
        results=Path(),
        data=data,
    )


def _component(kind: str, name: str, result: Result) -> Component:
    found: Component | None = registered(kind, name)
    if found is None:
        raise NotReplayable(f"the {kind} '{name}' is not registered here; give its file by --file")
    said = next(record for record in result.method.components if record.name == name)
    if found.source_hash != said.source_hash:
        raise NotReplayable(
            f"the {kind} '{name}' has another source here, {found.source_hash} instead of "
            f"{said.source_hash}: check out the commit of the result, or run it again"
        )
    return found


def choose(result: Result, runs: int | None, trials: int | None, seed: int) -> list[Chosen]:
    """So many evaluation runs and tuning trials, or with None all of them that can be repeated.

    Which ones follows from `seed` and the result's digest, so that nobody who writes a result knows
    before which ones are looked at.
    """
    chosen = []
    for purpose, count in (("evaluation", runs), ("tuning", trials)):
        there = [item for item in _repeatable(result) if item.purpose == purpose]
        drawn = sorted(there, key=lambda item: derive(seed, result.digest, item.title))[:count]
        chosen += [item for item in there if item in drawn]
    return chosen


def _repeatable(result: Result) -> Iterator[Chosen]:
    for number, replicate in enumerate(result.replicates):
        for purpose, runs in replicate.by_purpose():
            for run in runs:
                if run.status in REPEATABLE:
                    yield Chosen(number, purpose, run)


def run_all(plan: Plan, jobs: Sequence[Job], executor: Executor) -> Iterator[Ended]:
    """Run jobs of a plan, and yield each when it has ended.

    Raises NotReplayable if the data is missing, or if a worker refuses a job.
    """
    try:
        plan.task.problem.prepare(plan.data)
    except MissingData as error:
        raise NotReplayable(str(error)) from None
    for job in jobs:
        executor.submit(job)
    waiting = {job.key for job in jobs}
    while waiting:
        event = executor.next_event(0.5)
        if isinstance(event, Refused):
            raise NotReplayable(str(event.error))
        if isinstance(event, Ended):
            waiting.remove(event.job.key)
            yield event


def job_of(plan: Plan, result: Result, chosen: Chosen, share: float) -> Job:
    """The chosen run as a trial that stops after a share of the budget."""
    run = chosen.run
    trial = plan.trial(chosen.replicate, chosen.purpose, run.number, run.hyperparameters)
    # Of a file of the first protocol the seeds are its own.
    trial = replace(trial, seed=run.seed, stop_at=share)
    # A prefix may take as long as a whole trial, since a machine elsewhere may be slower.
    return Job(f"{plan.identity}-{result.digest}", trial, plan.task, 2 * plan.task.time_limit)
