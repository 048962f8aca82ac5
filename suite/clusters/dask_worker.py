"""What runs on a dask worker: it says which machine it is, and runs one trial at a time.

A trial has a process of its own, as on one machine: code of a method neither runs in the worker
nor ends it. Texts go both ways, JSON that a schema reads.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from distributed import Worker, get_worker
from pydantic import BaseModel, ConfigDict

from suite.components.fingerprints import suite_hash
from suite.execution import messages
from suite.execution.executor import Ended, Event, Job, Refused, Reported
from suite.execution.local import LocalExecutor
from suite.execution.resources import gpus
from suite.execution.starting import Starter, worker_environment, worker_log
from suite.home import make_home
from suite.problems.score import Score
from suite.results.model import EnvironmentRecord
from suite.training.trial import Trial

#: how often a worker looks whether its trial is still wanted
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class TaskFacts:
    """What a trial's record needs of its task, which the worker does not import."""

    batch_size: int
    score: Score
    #: the trial's, in examples
    budget: float

    def budget_under(self, fraction: float) -> float:
        """The trial's budget, whose fraction is known."""
        return self.budget


class Order(BaseModel):
    """A trial for a worker: a job, which attempt it is, and where its progress is told."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    study: str
    trial: Trial
    task: TaskFacts
    time_limit: float
    attempt: int
    topic: str


class Card(BaseModel):
    """What a worker says of its machine and itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: EnvironmentRecord
    #: what `dask worker --resources` gave it
    resources: dict[str, float]
    #: how many GPUs it sees
    gpus: int


def introduce(packages: Sequence[str]) -> str:
    """This worker's card, with the versions of these packages."""
    card = Card(
        environment=_machine(tuple(packages)),
        resources=get_worker().state.total_resources,
        gpus=len(gpus()),
    )
    return card.model_dump_json()


@functools.cache
def _machine(packages: tuple[str, ...]) -> EnvironmentRecord:
    """The machine, said by another process: to name a GPU takes memory that trials should have.

    The code is what this process has read, which is older than the files once somebody edits them.
    """
    code = suite_hash()
    make_home()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "suite.clusters.machine", *packages],
        env=worker_environment(1),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    record = EnvironmentRecord.model_validate_json(done.stdout)
    return record.model_copy(update={"code": code})


def run(text: str) -> str:
    """Run the trial of an order; returns how it ended as a message, or "" if nobody waits for it.

    Its beginning and progress are told as events of the order's topic.
    """
    order = Order.model_validate_json(text)
    worker = get_worker()
    key = str(worker.get_current_task())
    job = Job(order.study, order.trial, order.task, order.time_limit)
    with suppress(_Unwanted), _executor(order.trial) as executor:
        executor.submit(job)
        while True:
            event = executor.next_event(_LOOK_SECONDS)
            if _is_unwanted(worker, key):
                raise _Unwanted
            message = None if event is None else _message(event, order.attempt)
            if isinstance(message, messages.Finished | messages.Refused):
                return message.model_dump_json()
            if message is not None:
                worker.log_event(order.topic, [key, message.model_dump_json()])
    return ""


class _Unwanted(Exception):
    """Nobody waits for the trial any more."""


def _message(event: Event, attempt: int) -> messages.Message:
    said = {"key": event.job.key, "attempt": attempt}
    match event:
        case Reported(progress=progress, metric=metric):
            return messages.Reported(**said, progress=progress, metric=metric)
        case Ended(outcome=outcome):
            return messages.Finished(**said, outcome=outcome)
        case Refused(error=error):
            return messages.Refused(**said, name=type(error).__name__, text=str(error))
    return messages.Began(**said, process=0)


def _is_unwanted(worker: Worker, key: str) -> bool:
    """Whether the coordinator has withdrawn its trial, or has ended."""
    task = worker.state.tasks.get(key)
    return task is None or task.state == "cancelled"


#: executors without a trial, by their number of threads: each holds a process with torch
_idle: dict[int, list[LocalExecutor]] = {}
_lock = threading.Lock()


@contextmanager
def _executor(trial: Trial) -> Iterator[LocalExecutor]:
    """An executor for a trial, kept for the next one; a new one, if all are taken.

    One whose trial ran on a GPU is not kept: its process holds memory of it.
    """
    with _lock:
        idle = _idle.setdefault(trial.threads, [])
        executor = idle.pop() if idle else None
    if executor is None:
        executor = LocalExecutor(1, Starter(trial.threads, worker_log()))
    kept = False
    try:
        yield executor
        kept = trial.device == "cpu"
    finally:
        if not kept:
            executor.close()
    if kept:
        with _lock:
            idle.append(executor)
