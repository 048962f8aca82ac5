"""Executors: who runs trials. An executor has three methods: submit, next_event, close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from suite.problems.task import Task
from suite.results.model import Cost, Curve, Run, Status
from suite.training.trial import Outcome, Trial


@dataclass(frozen=True)
class Job:
    """A trial that is to run, and the task it runs on."""

    study: str
    trial: Trial
    task: Task
    #: seconds after which the trial counts as hanging
    time_limit: float

    @property
    def key(self) -> tuple[str, str, int]:
        """Names the trial among all that run at a time."""
        return self.study, self.trial.purpose, self.trial.number


@dataclass(frozen=True)
class Event:
    """Something happened to a job: it "started", made a "report", is "done", or hit an "error"."""

    kind: str
    job: Job
    #: report: (progress, metric); done: Outcome; error: SuiteError
    content: Any = None


class Executor(Protocol):
    """Who runs trials: this machine's processes, a cluster."""

    def submit(self, job: Job) -> None:
        """Queue a job."""

    def next_event(self, timeout: float) -> Event | None:
        """Wait up to `timeout` seconds for something to happen."""

    def close(self) -> None:
        """Stop at once, whatever still runs."""


def lost(job: Job, status: Status, reason: str, progress: float) -> Outcome:
    """The record of a trial that never came back: charged for what it had reported."""
    trial, task = job.trial, job.task
    examples = round(progress * task.budget * trial.budget_fraction, 3)
    worst = task.score.worst_score(task.gradient_evaluations * trial.budget_fraction)
    empty = Curve(gradient_evaluations=[], seconds=[], train_loss=[], validation={}, test={})
    run = Run(
        number=trial.number,
        seed=trial.seed,
        hyperparameters=trial.hyperparameters,
        status=status,
        reason=reason,
        validation_score=worst,
        test_score=worst if trial.purpose == "evaluation" else None,
        time_to_target=None,
        seconds_to_target=None,
        curve=empty,
        cost=Cost(
            examples=examples,
            gradient_evaluations=round(examples / task.batch_size, 3),
            steps=0,
            seconds=0.0,
            evaluation_seconds=0.0,
            peak_memory_bytes=0,
            calibration_step_seconds=None,
        ),
    )
    return Outcome(run, None)
