"""Replicates of a study while they run: tuning from one seed, and the evaluation of its choice."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from suite.execution.executor import Job
from suite.results.model import PURPOSES, DataRecord, Purpose, Replicate, Run
from suite.results.trimming import trimmed
from suite.studies.plan import Plan
from suite.studies.storage import StudyStorage
from suite.studies.tuning import best, propose
from suite.training.trial import Outcome


class RunningReplicate:
    """The state of one replicate: gives out trials, takes outcomes, and ends in its record.

    It never waits for another replicate of the study.
    """

    def __init__(self, number: int, plan: Plan, storage: StudyStorage) -> None:
        self._number = number
        self._plan = plan
        self._seed = plan.replicate_seed(number)
        self._storage = storage
        self._finished = {purpose: storage.finished((number, purpose)) for purpose in PURPOSES}
        self._batches = self._plan_batches()
        self._ready: deque[Job] = deque()
        self._open = 0
        #: the whole replicate, once its last trial has ended
        self.record: Replicate | None = None

    @property
    def done(self) -> int:
        """Trials that have ended, with any status."""
        return sum(len(outcomes) for outcomes in self._finished.values())

    @property
    def first(self) -> Run | None:
        """The trial with the defaults, if it has ended."""
        outcome = self._finished["tuning"].get(0)
        return None if outcome is None else outcome.run

    @property
    def scores(self) -> list[float]:
        """Validation scores of the tuning trials so far."""
        # The live view asks from another thread: a copy, because trials may end meanwhile.
        return [outcome.run.validation_score for outcome in list(self._finished["tuning"].values())]

    @property
    def data(self) -> list[DataRecord]:
        """The data that its trials used."""
        outcomes = [o for finished in self._finished.values() for o in finished.values()]
        return [outcome.data for outcome in outcomes if outcome.data]

    def next_job(self) -> Job | None:
        """A trial that can run now, or None while others must finish first."""
        return self._ready.popleft() if self._ready else None

    def take(self, job: Job, outcome: Outcome, seconds: float | None) -> None:
        """Keep a finished trial and prepare the trials that can follow."""
        purpose, run = job.trial.purpose, outcome.run
        score = run.validation_score if purpose == "tuning" else run.test_score
        assert score is not None
        self._storage.finish(job.trial.series, outcome, score, seconds)
        self._finished[purpose][run.number] = outcome
        self._open -= 1
        self.advance()

    def advance(self) -> None:
        """Open the next batch of trials once all before it have ended; conclude after the last."""
        while not self._open and self.record is None:
            batch = next(self._batches, None)
            if batch is None:
                self.record = self._conclude()
            else:
                self._ready.extend(batch)
                self._open = len(batch)

    def _plan_batches(self) -> Iterator[list[Job]]:
        """The replicate in batches: generations of tuning trials, then the evaluation."""
        plan, rules, method = self._plan, self._plan.rules, self._plan.method
        space = method.distributions()
        for first in range(0, rules.trials, rules.generation):
            history = [
                (method.flat(run.hyperparameters), run.validation_score)
                for run in self._ended("tuning")[:first]
            ]
            proposed = propose(space, rules, self._seed, plan.direction, history)
            yield self._plan_trials("tuning", first, proposed)
        chosen = method.flat(self._ended("tuning")[self._choose()].hyperparameters)
        yield self._plan_trials("evaluation", 0, [chosen] * rules.seeds)

    def _plan_trials(
        self, purpose: Purpose, first: int, wanted: Sequence[dict[str, Any]]
    ) -> list[Job]:
        """Record the trials from number `first` on; return those that have not finished.

        An earlier plan is used again if it equals the present one. It differs if an outcome that it
        depended on was lost with a damaged line, and came out differently.
        """
        series = (self._number, purpose)
        planned = self._storage.planned(series)
        limit = self._plan.time_limit or self._plan.task.time_limit
        jobs = []
        for number, flat in enumerate(wanted, first):
            if number in planned and _equal(planned[number], flat):
                flat = planned[number]
            else:
                self._storage.plan(series, number, flat)
                self._finished[purpose].pop(number, None)
            if number not in self._finished[purpose]:
                hyperparameters = self._plan.method.nested(flat)
                trial = self._plan.trial(self._number, purpose, number, hyperparameters)
                jobs.append(Job(self._plan.identity, trial, self._plan.task, limit))
        return jobs

    def _ended(self, purpose: Purpose) -> list[Run]:
        """Finished runs, in trial order."""
        return [outcome.run for _, outcome in sorted(self._finished[purpose].items())]

    def _choose(self) -> int:
        scores = [run.validation_score for run in self._ended("tuning")]
        return best(scores, self._plan.task.score.higher_is_better)

    def _conclude(self) -> Replicate:
        metric, tuning = self._plan.task.score.metric, self._ended("tuning")
        swept = self._plan.rules.swept
        # Some sweeps are read in other columns than the score's, too.
        if swept is None or not swept.whole_curves:
            tuning = [trimmed(run, metric) for run in tuning]
        return Replicate(
            seed=self._seed,
            tuning=tuning,
            chosen=self._choose(),
            evaluation=[trimmed(run, metric) for run in self._ended("evaluation")],
        )


def _equal(planned: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two trials are equal except for the last digits, as on another processor."""
    return planned.keys() == wanted.keys() and all(
        isinstance(value, float) and math.isclose(value, planned[name], rel_tol=1e-9)
        if isinstance(planned[name], float)
        else value == planned[name]
        for name, value in wanted.items()
    )
