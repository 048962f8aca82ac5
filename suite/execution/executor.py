"""Executors run trials: they take jobs and give events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from suite.errors import SuiteError
from suite.problems.score import Score
from suite.results.model import Cost, Curve, EnvironmentRecord, Run, Status
from suite.training.trial import Key, Outcome, Trial

#: how the reason of a trial begins whose audit failed
NOT_COUNTED = "its operations could not be counted: "


class Measured(Protocol):
    """What the record of a trial that left none needs of its task."""

    @property
    def batch_size(self) -> int:
        """Examples of a gradient evaluation."""

    @property
    def score(self) -> Score:
        """Which score is the worst."""

    def budget_under(self, fraction: float) -> float:
        """The budget in examples for a trial that gets a fraction of it."""


@dataclass(frozen=True)
class Job:
    """A trial to run, and the task it runs on."""

    #: the identity of the study: two studies of one method and task may run at the same time
    study: str
    trial: Trial
    task: Measured
    #: seconds after which the trial counts as hanging
    time_limit: float

    @property
    def key(self) -> Key:
        """Identifies the trial among all that run at the same time."""
        return self.study, *self.trial.series, self.trial.number


@dataclass(frozen=True)
class Started:
    """A job's process has begun with its audit or its trial: the last of these counts."""

    job: Job


@dataclass(frozen=True)
class Reported:
    """A job's trial made an evaluation."""

    job: Job
    #: the share of the budget that is spent
    progress: float
    metric: float


@dataclass(frozen=True)
class Ended:
    """A job is done, with whatever outcome."""

    job: Job
    outcome: Outcome


@dataclass(frozen=True)
class Refused:
    """A job could not be run, for a reason that the user can fix."""

    job: Job
    error: SuiteError


Event = Started | Reported | Ended | Refused


class Executor(Protocol):
    """Runs trials: this machine's processes, or a cluster."""

    def environment(self, device: str, packages: Mapping[str, str]) -> EnvironmentRecord:
        """Where trials on a device run, with the versions of the packages that they use."""

    def submit(self, job: Job) -> None:
        """Queue a job."""

    def next_event(self, timeout: float) -> Event | None:
        """Wait up to `timeout` seconds for something to happen."""

    def close(self) -> None:
        """Stop at once, even if trials still run."""


def lost(
    job: Job,
    status: Status,
    reason: str,
    *,
    progress: float,
    seconds: float,
    traceback: str | None = None,
) -> Outcome:
    """The record of a trial that left none: its cost is the last reported cost and its run time."""
    trial, task = job.trial, job.task
    examples = round(progress * task.budget_under(trial.budget_fraction), 3)
    worst = _worst(job)
    empty = Curve(gradient_evaluations=[], seconds=[], train_loss=[], validation={}, test={})
    run = Run(
        number=trial.number,
        seed=trial.seed,
        hyperparameters=trial.hyperparameters,
        status=status,
        reason=reason,
        traceback=traceback,
        validation_score=worst,
        test_score=worst if trial.purpose == "evaluation" else None,
        time_to_target=None,
        seconds_to_target=None,
        curve=empty,
        cost=Cost(
            examples=examples,
            gradient_evaluations=round(examples / task.batch_size, 3),
            steps=0,
            seconds=round(seconds, 6),
            evaluation_seconds=0.0,
            peak_memory_bytes=0,
        ),
    )
    return Outcome(run, None)


def without_audit(job: Job, outcome: Outcome, reason: str) -> Outcome:
    """The outcome of a trial whose method could not be audited: its cost is not known."""
    if outcome.run.status != "completed":
        return outcome
    changed = {
        "status": "failed",
        "reason": f"{NOT_COUNTED}{reason}"[:2000],
        "validation_score": _worst(job),
        "test_score": None if outcome.run.test_score is None else _worst(job),
        "time_to_target": None,
        "seconds_to_target": None,
    }
    return Outcome(outcome.run.model_copy(update=changed), outcome.data)


def _worst(job: Job) -> float:
    task = job.task
    return task.score.worst_score(task.budget_under(job.trial.budget_fraction) / task.batch_size)
