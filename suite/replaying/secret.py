"""Secret seeds: evaluation runs from seeds that nobody knew when a result was made.

A replay repeats what a method does with the recorded seeds, also if it cheats with them: one that
rebuilds the test data of the published seeds repeats to the bit. With fresh seeds it has to do
without. Their scores differ from the published ones by luck; whether by more than that is tested
by permutation: if the published runs of a replicate are runs like the fresh ones, each of them was
as likely to be published. No distribution is assumed, so that a task on which a run either learns
or does not is tested rightly, too.
"""

from __future__ import annotations

import itertools
import math
import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from suite.errors import UsageError
from suite.execution.executor import Executor, Job
from suite.replaying.comparing import ROUNDING
from suite.replaying.plans import run_all
from suite.replaying.tolerances import allowed
from suite.results.model import Result, Run
from suite.studies.plan import Plan

#: of honest results so many are outside the prediction, on each side
LEVEL = 0.005
#: so many are counted one by one; of more a sample is drawn
_COUNTED = 100_000


@dataclass(frozen=True)
class Fresh:
    """A run from a secret seed."""

    replicate: int
    run: Run


@dataclass(frozen=True)
class Prediction:
    """Whether the published scores are like those of the fresh runs."""

    #: means over replicates
    published: float
    fresh: float
    #: share of the ways to choose the published runs in which their mean is as high, or as low
    as_high: float
    as_low: float

    @property
    def within(self) -> bool:
        """Whether the difference may be luck."""
        return min(self.as_high, self.as_low) > LEVEL

    @property
    def text(self) -> str:
        """In one line."""
        share = min(self.as_high, self.as_low)
        where = "within" if self.within else "outside"
        return (
            f"published {self.published:.6g}, with secret seeds {self.fresh:.6g}: {where} the "
            f"prediction (p = {share:.3g}, limit {LEVEL:g})"
        )


def enough(result: Result) -> int:
    """Runs for each replicate from which on a result can be found outside the prediction."""
    published = len(result.replicates[0].evaluation)
    for count in range(2, 10_000):
        if math.comb(published + count, published) ** len(result.replicates) * LEVEL >= 1:
            return count
    raise AssertionError("a protocol has at least one replicate with one run")


def fresh_runs(
    plan: Plan, result: Result, count: int | None, executor: Executor
) -> Iterator[Fresh]:
    """Run `count` evaluations for each replicate from fresh seeds, over the whole budget.

    `plan` is that of `replay_plan`. By default as many as are needed. Raises NotReplayable before
    the first if none can be run, and UsageError if `count` is too small to find anything.
    """
    least = enough(result)
    if count is not None and count < least:
        raise UsageError(
            f"--secret --runs {count}: under protocol {result.protocol.name} it takes at least "
            f"{least} runs for each replicate to tell luck from a difference."
        )
    for ended in run_all(plan, list(_jobs(plan, result, count or least)), executor):
        yield Fresh(ended.job.trial.replicate, ended.outcome.run)


def _jobs(plan: Plan, result: Result, count: int) -> Iterator[Job]:
    for replicate, found in enumerate(result.replicates):
        for number in range(count):
            trial = plan.trial(replicate, "evaluation", number, found.chosen_run.hyperparameters)
            # Drawn here and not before: no file, argument or environment holds them.
            trial = replace(trial, seed=secrets.randbits(63))
            key = f"{plan.identity}-{result.digest}-secret"
            yield Job(key, trial, plan.task, 2 * plan.task.time_limit)


def predict(result: Result, fresh: Sequence[Fresh], *, exact: bool) -> Prediction:
    """Compare the published evaluation scores with those of fresh runs.

    Scores that differ by no more than rounding count as equal, or where the machine is not of the
    same kind (`exact` is false) by no more than the same run may there.
    """
    groups = []
    for number, replicate in enumerate(result.replicates):
        own = [run.test_score or 0.0 for run in replicate.evaluation]
        new = [each.run.test_score or 0.0 for each in fresh if each.replicate == number]
        groups.append((own, new))
    count = len(groups)
    published = math.fsum(math.fsum(own) / len(own) for own, _ in groups) / count
    again = math.fsum(math.fsum(new) / len(new) for _, new in groups) / count
    near = _near(result, exact) * max(1.0, *(abs(s) for own, new in groups for s in own + new))
    as_high = as_low = total = 0
    for mean in _means(groups):
        total += 1
        as_high += mean >= published - near
        as_low += mean <= published + near
    return Prediction(published, again, as_high / total, as_low / total)


def _near(result: Result, exact: bool) -> float:
    """How far apart equal scores may be: a share of those above 1."""
    if exact:
        return ROUNDING
    tolerances = allowed(result.task.name, result.task.version, 1.0) or {}
    return max(tolerances.get("test score", 0.0), ROUNDING)


def _means(groups: Sequence[tuple[list[float], list[float]]]) -> Iterator[float]:
    """The mean of each way to choose which runs are the published ones; a sample if many."""
    ways = math.prod(math.comb(len(own) + len(new), len(own)) for own, new in groups)
    if ways <= _COUNTED:
        means = [
            [math.fsum(part) / len(own) for part in itertools.combinations(own + new, len(own))]
            for own, new in groups
        ]
        for each in itertools.product(*means):
            yield math.fsum(each) / len(groups)
        return
    draw = random.Random(0)
    yield math.fsum(math.fsum(own) / len(own) for own, _ in groups) / len(groups)
    for _ in range(_COUNTED - 1):
        parts = [draw.sample(own + new, len(own)) for own, new in groups]
        yield math.fsum(math.fsum(part) / len(part) for part in parts) / len(groups)
