"""Replays: chosen runs of a result, run again and compared one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from suite.execution.executor import Executor
from suite.replaying.comparing import Comparison, compare
from suite.replaying.plans import Chosen, NotReplayable, choose, job_of, replay_plan, run_all
from suite.replaying.tolerances import allowed
from suite.results import environment
from suite.results.environment import names_model
from suite.results.model import EnvironmentRecord, Result
from suite.studies.plan import Plan


@dataclass(frozen=True)
class Choice:
    """Which runs of each result are replayed, and how far."""

    #: evaluation runs and tuning trials of each result; None: all of them
    runs: int | None
    trials: int | None
    #: of the budget
    share: float
    #: what the choice follows from
    seed: int

    @property
    def whole(self) -> bool:
        """Whether the runs are replayed to their end."""
        return self.share >= 1


@dataclass(frozen=True)
class Replayed:
    """A run that was run again."""

    chosen: Chosen
    comparison: Comparison


def same_kind(recorded: EnvironmentRecord, here: EnvironmentRecord) -> bool:
    """Whether runs must be equal to the bit here: the same processor model, GPU and packages.

    A record that does not say which model it was, as those of older versions, is of no known kind.
    """
    same = not environment.differences(recorded, here, (*environment.MACHINE, "packages"))
    return same and names_model(recorded.cpu)


def is_same_kind(result: Result, plan: Plan) -> bool:
    """Whether this machine is of the kind that a result was made on."""
    return same_kind(result.environment, environment.record(plan.device, plan.packages))


def replay(result: Result, choice: Choice, executor: Executor, data: Path) -> Iterator[Replayed]:
    """Run the chosen runs again and yield each comparison when it is known.

    Raises NotReplayable before the first if nothing can be compared.
    """
    plan = replay_plan(result, data)
    chosen = choose(result, choice.runs, choice.trials, choice.seed)
    if not chosen:
        raise NotReplayable("no run of it completed or diverged, and nothing else comes again")
    exact = is_same_kind(result, plan)
    tolerances = allowed(result.task.name, result.task.version, choice.share)
    jobs = [job_of(plan, result, item, choice.share) for item in chosen]
    asked = {job.key: item for job, item in zip(jobs, chosen, strict=True)}
    for ended in run_all(plan, jobs, executor):
        item = asked[ended.job.key]
        comparison = compare(
            item.run,
            ended.outcome.run,
            result.task,
            tolerances,
            exact=exact,
            whole=choice.whole,
        )
        yield Replayed(item, comparison)
