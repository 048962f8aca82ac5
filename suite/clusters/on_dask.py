"""Trials on the workers of a dask cluster; studies, Optuna and their files stay in this process.

Which worker runs which trial is decided here, not by dask's scheduler: a worker gets no trial
before its machine is known, and when one dies it is known what ran there. A trial that ran beside
others when its worker died is tried again alone on a worker, so that no trial is blamed for another
one.
"""

from __future__ import annotations

import logging
import platform
import queue
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from distributed import Client, Future, KilledWorker

from suite.clusters.dask_worker import Card, Order, TaskFacts, introduce, run
from suite.components.fingerprints import suite_hash, versions
from suite.errors import SuiteError, UsageError
from suite.execution import messages
from suite.execution.executor import Ended, Event, Job, Refused, Reported, Started, lost
from suite.execution.resources import ran_out_of_memory
from suite.results import environment
from suite.results.model import EnvironmentRecord

#: how often a trial is tried if its worker dies while it runs alone there
ATTEMPTS = 3
#: seconds between two looks at which workers there are
_LOOK_SECONDS = 1.0
#: seconds that the scheduler may take to answer
_CONNECT_SECONDS = 10
#: seconds that workers may take to say who they are; they import torch for it
_INTRODUCTION_SECONDS = 120.0
#: seconds that a finished trial's record may take to arrive
_FETCH_SECONDS = 30


@dataclass(eq=False)
class _Attempt:
    """A job, and the attempt to run it."""

    job: Job
    worker: _Worker | None = None
    future: Future[str] | None = None
    began: float | None = None
    progress: float = 0.0
    #: run it on a worker that runs nothing else
    alone: bool = False
    #: workers that died while it ran alone there
    deaths: int = 0
    #: how often it was tried
    number: int = 0

    @property
    def on_gpu(self) -> bool:
        """Whether it needs a GPU."""
        return self.job.trial.device == "cuda"


@dataclass(eq=False)
class _Worker:
    """A worker of the cluster."""

    address: str
    threads: int
    #: None until it has said who it is
    card: Card | None = None
    running: set[_Attempt] = field(default_factory=set)
    #: its trials may run here
    usable: bool = False

    def slots(self, threads: int, *, gpu: bool) -> int:
        """How many trials with so many threads it runs at a time."""
        assert self.card is not None
        count = max(1, self.threads // threads)
        return min(count, int(self.card.resources.get("GPU", 0))) if gpu else count

    def has_room(self, attempt: _Attempt) -> bool:
        """Whether it can begin an attempt now."""
        if not self.usable or any(other.alone for other in self.running):
            return False
        if attempt.alone and self.running:
            return False
        threads = attempt.job.trial.threads
        if attempt.on_gpu:
            beside = sum(other.on_gpu for other in self.running)
            if beside >= self.slots(threads, gpu=True):
                return False
        return len(self.running) < self.slots(threads, gpu=False)


class DaskExecutor:
    """Runs trials on the workers of a scheduler, all on machines of one kind.

    `packages` are those whose versions must be the same everywhere, `gpu` says whether any trial
    needs a GPU; `say` shows a line to the user. Raises UsageError if there is no scheduler or no
    worker, or if workers differ from one another, or from this process in their code.
    """

    def __init__(
        self, address: str, packages: Collection[str], *, gpu: bool, say: Callable[[str], None]
    ) -> None:
        self._address = address
        self._packages = sorted(packages)
        self._gpu = gpu
        self._say = say
        self._topic = f"suite-{secrets.token_hex(8)}"
        #: what dask's threads tell this one: a kind, and what it is about
        self._told: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._events: deque[Event] = deque()
        self._waiting: deque[_Attempt] = deque()
        #: by dask's key of the attempt
        self._running: dict[str, _Attempt] = {}
        self._workers: dict[str, _Worker] = {}
        #: what all workers must be like
        self._kind: EnvironmentRecord | None = None
        self._met_all = False
        self._next_look = 0.0
        self._said_that_none_is_left = False
        for name in ("distributed", "distributed.client"):  # errors are told once, by us
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no dask scheduler answers at {address} ({type(error).__name__}). Start one with "
                "`dask scheduler`, and workers with `dask worker HOST:PORT`."
            ) from None
        try:
            self._client.subscribe_topic(self._topic, lambda event: self._tell("said", event[1]))
            self._meet_all()
        except BaseException:
            self.close()
            raise

    def slots(self, threads: int, *, gpu: bool) -> int:
        """How many trials with so many threads the present workers run at a time."""
        usable = [worker for worker in self._workers.values() if worker.usable]
        return sum(worker.slots(threads, gpu=gpu) for worker in usable)

    def environment(self, device: str, packages: Mapping[str, str]) -> EnvironmentRecord:
        """The machine of the workers."""
        assert self._kind is not None
        now = environment.now()
        known = self._kind.packages
        return self._kind.model_copy(
            update={
                "packages": {name: known[name] for name in packages},
                "gpu": self._kind.gpu if device == "cuda" else None,
                "started": now,
                "finished": now,
            }
        )

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append(_Attempt(job))
        self._dispatch()

    def next_event(self, timeout: float) -> Event | None:
        """Wait up to `timeout` seconds for something to happen.

        Raises SuiteError if the scheduler has gone, or a worker cannot run trials.
        """
        until = time.monotonic() + timeout
        while not self._events:
            if time.monotonic() >= self._next_look:
                self._look()
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._listen(min(left, 0.5))
        return self._events.popleft()

    def close(self) -> None:
        """Leave the cluster; its workers end the trials that nobody waits for any more."""
        with suppress(Exception):
            self._client.close(_CONNECT_SECONDS)

    def _tell(self, kind: str, what: Any) -> None:
        self._told.put((kind, what))

    def _listen(self, timeout: float) -> None:
        """Handle the next of what dask's threads tell, if there is anything within `timeout`."""
        try:
            kind, what = self._told.get(timeout=timeout)
        except queue.Empty:
            return
        if kind == "said":
            key, text = what
            if key in self._running:
                self._hear(self._running[key], messages.read(text))
        elif kind == "done":
            self._take(what)
        else:
            self._met(what)
        self._dispatch()

    # -- workers ------------------------------------------------------------------------------

    def _look(self) -> None:
        """Find out which workers have come and which have gone."""
        self._next_look = time.monotonic() + _LOOK_SECONDS
        try:
            there: dict[str, int] = dict(self._client.nthreads())
        except Exception:
            raise self._scheduler_lost() from None
        gone = [worker for worker in self._workers.values() if worker.address not in there]
        for worker in gone:
            worker.usable = False
        while gone and not self._told.empty():  # what ran there, and what has ended meanwhile
            self._listen(0.0)
        for worker in gone:
            self._workers.pop(worker.address, None)
            self._lose(worker)
        for address in sorted(there.keys() - self._workers.keys()):
            worker = self._workers[address] = _Worker(address, there[address])
            asked = self._client.submit(
                introduce,
                self._packages,
                key=f"{self._topic}-card-{secrets.token_hex(4)}",
                workers=[address],
                allow_other_workers=False,
                pure=False,
            )
            asked.add_done_callback(lambda done, worker=worker: self._tell("met", (worker, done)))
        if any(worker.usable for worker in self._workers.values()):
            self._said_that_none_is_left = False
        elif self._met_all and not self._said_that_none_is_left:
            self._said_that_none_is_left = True
            self._say(f"no worker is left at {self._address}: waiting for one")
        self._dispatch()

    def _meet_all(self) -> None:
        """Get to know the workers that are there; raises UsageError if they cannot be used."""
        self._look()
        until = time.monotonic() + _INTRODUCTION_SECONDS
        while any(worker.card is None for worker in self._workers.values()):
            if time.monotonic() > until:
                raise UsageError(
                    f"workers at {self._address} do not say who they are: they may be busy with "
                    "other work."
                )
            self._listen(0.5)
            self._look()
        if self._kind is None:
            raise UsageError(
                f"the dask scheduler at {self._address} has no workers: start some with "
                f"`dask worker {self._address}`."
            )
        self._met_all = True

    def _met(self, answer: tuple[_Worker, Future[str]]) -> None:
        """Take a worker's card: use it, or refuse it for a reason."""
        worker, future = answer
        if self._workers.get(worker.address) is not worker or future.cancelled():
            return
        refused: str | None
        try:
            worker.card = Card.model_validate_json(future.result(timeout=_FETCH_SECONDS))
        except Exception as error:
            refused = (
                f"the dask worker at {worker.address} cannot run trials: {_in_a_line(error)}. It "
                "needs the suite in the environment that `dask worker` was started in."
            )
        else:
            refused = self._why_refused(worker.address, worker.card)
        if refused is None:
            worker.usable = True
        elif self._met_all:
            self._say(f"{refused} It gets no trial.")
        else:
            raise UsageError(refused)

    def _why_refused(self, address: str, card: Card) -> str | None:
        """Why a worker may not run trials, and what to do about it; None if it may."""
        record = card.environment
        if not self._gpu:
            record = record.model_copy(update={"gpu": None})
        elif card.resources.get("GPU") and card.gpus != 1:
            return (
                f"the dask worker at {address} sees {card.gpus or 'no'} GPUs. Start one for each "
                "GPU: CUDA_VISIBLE_DEVICES=0 dask worker ... --resources GPU=1."
            )
        mine = record.model_copy(
            update={
                "code": suite_hash(),
                "python": platform.python_version(),
                "packages": versions(self._packages),
            }
        )
        found = environment.differences(mine, record, ("code", "python", "packages"))
        if found:
            said = "; ".join(f"{name}: {here} here, {there} there" for name, here, there in found)
            return (
                f"the dask worker at {address} has other code than this command. {said}. Start it "
                "again, from the same checkout and environment."
            )
        if self._kind is None:
            self._kind = record
        found = environment.differences(self._kind, record)
        if found:
            said = "; ".join(f"{name}: {one} there, {its} here" for name, one, its in found)
            return (
                f"the dask worker at {address} is another kind of machine than the first one, and "
                f"a result is of one kind. {said}. Start workers on machines of one kind."
            )
        return None

    def _lose(self, worker: _Worker) -> None:
        """A worker has died: what ran there runs again elsewhere, and is blamed if it was alone."""
        began = [attempt for attempt in worker.running if attempt.began is not None]
        for attempt in list(worker.running):
            self._forget(attempt)
            if attempt in began:
                attempt.alone = True
                attempt.deaths += len(began) == 1
            self._try_again(attempt)

    def _try_again(self, attempt: _Attempt) -> None:
        if attempt.deaths < ATTEMPTS:
            attempt.began, attempt.progress = None, 0.0
            self._waiting.appendleft(attempt)
            return
        seconds = 0.0 if attempt.began is None else time.monotonic() - attempt.began
        reason = f"{ATTEMPTS} dask workers died while each ran this trial and nothing else"
        outcome = lost(attempt.job, "failed", reason, progress=attempt.progress, seconds=seconds)
        self._events.append(Ended(attempt.job, outcome))

    # -- trials -------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give waiting jobs to workers that have room."""
        for attempt in list(self._waiting):
            open_ = [worker for worker in self._workers.values() if worker.has_room(attempt)]
            if open_:
                self._waiting.remove(attempt)
                self._start(attempt, min(open_, key=lambda worker: len(worker.running)))
            elif attempt.alone:
                return  # those behind it would take the place that becomes free

    def _start(self, attempt: _Attempt, worker: _Worker) -> None:
        job, attempt.number = attempt.job, attempt.number + 1
        facts = TaskFacts(
            batch_size=job.task.batch_size,
            score=job.task.score,
            budget=job.task.budget_under(job.trial.budget_fraction),
        )
        order = Order(
            study=job.study,
            trial=job.trial,
            task=facts,
            time_limit=job.time_limit,
            attempt=attempt.number,
            topic=self._topic,
        )
        key = f"{self._topic}-{secrets.token_hex(8)}"
        attempt.worker, attempt.began = worker, None
        self._running[key] = attempt
        worker.running.add(attempt)
        attempt.future = self._client.submit(
            run,
            order.model_dump_json(),
            key=key,
            workers=[worker.address],
            allow_other_workers=False,
            resources={"GPU": 1} if attempt.on_gpu else None,
            pure=False,
        )
        attempt.future.add_done_callback(lambda future: self._tell("done", future))

    def _hear(self, attempt: _Attempt, message: messages.Message) -> None:
        """What the process of a trial tells while it runs."""
        match message:
            case messages.Began():
                attempt.began = attempt.began or time.monotonic()
                self._events.append(Started(attempt.job))
            case messages.Reported(progress=progress, metric=metric):
                attempt.progress = progress
                self._events.append(Reported(attempt.job, progress, metric))

    def _take(self, future: Future[str]) -> None:
        """A trial has ended, or dask says that it cannot."""
        attempt = self._running.get(str(future.key))
        if attempt is None:  # withdrawn
            return
        worker = attempt.worker
        assert worker is not None
        if future.cancelled():
            raise self._scheduler_lost()
        try:
            message = messages.read(future.result(timeout=_FETCH_SECONDS))
        except KilledWorker:  # before a look has shown it
            self._workers.pop(worker.address, None)
            self._lose(worker)
            return
        except TimeoutError:  # the record was there, and its worker has died since
            self._forget(attempt)
            self._try_again(attempt)
            return
        except Exception as error:
            raise SuiteError(
                f"the dask worker at {worker.address} could not run a trial: {_in_a_line(error)}. "
                "Finished trials are kept; the same command resumes."
            ) from None
        self._forget(attempt)
        if isinstance(message, messages.Finished):
            shared = attempt.on_gpu and not attempt.alone and worker.slots(1, gpu=True) > 1
            if shared and ran_out_of_memory(message.outcome.run):
                attempt.alone = True
                self._try_again(attempt)
                return
            self._events.append(Ended(attempt.job, message.outcome))
        elif isinstance(message, messages.Refused):
            said = f"{message.text} (On the dask worker at {worker.address}.)"
            refused = message.model_copy(update={"text": said})
            self._events.append(Refused(attempt.job, refused.error()))

    def _forget(self, attempt: _Attempt) -> None:
        """An attempt is over; dask, which may try it again on its own, forgets it, too."""
        assert attempt.worker is not None
        assert attempt.future is not None
        attempt.worker.running.discard(attempt)
        del self._running[str(attempt.future.key)]
        attempt.future.cancel()
        attempt.future = None

    def _scheduler_lost(self) -> SuiteError:
        return SuiteError(
            f"the dask scheduler at {self._address} has gone. Finished trials are kept; the same "
            "command resumes, with this or another scheduler."
        )


def _in_a_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
