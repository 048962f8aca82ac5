"""Trials on this machine, each in its own process.

If a trial's process dies, the trial is tried again once, and the study continues; a trial that
hangs is killed, with all processes that it started. If what looks after that process is killed, the
trial is not blamed, unless that happens to it again and again; and never for what came before it
began: if no trial can begin, the run ends.

Each worker runs trials on one GPU, if there are any; several workers may share one. A trial that
gets no memory of a GPU that it shares runs again without neighbours. No trial begins beside others
while less memory is available than a trial of its study took.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from suite.components.method import method_name
from suite.errors import SuiteError
from suite.execution import messages
from suite.execution.child import loaded_modules
from suite.execution.executor import (
    Ended,
    Event,
    Job,
    Refused,
    Reported,
    Started,
    lost,
    without_audit,
)
from suite.execution.messages import Inbox, Message, Request, WrongMessage, send
from suite.execution.processes import kill_group
from suite.execution.resources import available_memory, gpus_of_slots, ran_out_of_memory
from suite.execution.starting import Starter, WorkerProcess
from suite.execution.worker import ATTEMPTS, AUDIT_SECONDS, START_UP_SECONDS
from suite.results import environment
from suite.results.model import EnvironmentRecord, Status
from suite.training.trial import Outcome

#: how long after a trial's limit its worker may take to report how it ended
GRACE_SECONDS = 30.0
#: how often a trial may begin whose worker is killed then; a method can kill it, too
WORKER_ATTEMPTS = 6
#: how often a trial is handed to a worker
MOST_ATTEMPTS = 40
#: how long a worker's message that is not read yet may still count
LISTENING_SECONDS = 1.0


@dataclass(frozen=True)
class _Turn:
    """A job that waits, and which attempt it is."""

    job: Job
    attempt: int = 1
    #: how often its own process died
    deaths: int = 0
    #: how often it, or its audit, had begun when its worker was killed
    begun: int = 0
    #: with no other trial on its GPU
    alone: bool = False

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU, which the executor chooses."""
        return self.job.trial.device == "cuda"


class LocalExecutor:
    """Worker processes on this machine, each running one trial at a time.

    `per_device`: how many of them run trials on one GPU; without, all share the GPUs evenly.
    """

    def __init__(self, jobs: int, starter: Starter, per_device: int | None = None) -> None:
        self._starter = starter
        self._per_device = per_device
        self._waiting: deque[_Turn] = deque()
        self._messages: queue.SimpleQueue[tuple[_Worker, Message | None]] = queue.SimpleQueue()
        self._slots: list[_Worker | None] = [None] * jobs
        self._events: deque[Event] = deque()
        #: the most memory that a trial of each study took, in bytes
        self._took: dict[str, int] = {}
        #: slow imports of trials, as far as they are known
        self._modules: set[str] = set()

    def environment(self, device: str, packages: Mapping[str, str]) -> EnvironmentRecord:
        """This machine."""
        return environment.record(device, packages)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append(_Turn(job))
        self._dispatch()

    def next_event(self, timeout: float) -> Event | None:
        """Wait up to `timeout` seconds for something to happen."""
        until = time.monotonic() + timeout
        while not self._events:
            while not self._messages.empty():
                self._handle_message(0.0)
            self._stop_hanging()
            self._dispatch()  # memory may have become available
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._handle_message(min(left, 0.5))
        return self._events.popleft()

    def close(self) -> None:
        """Kill the workers; the trials that were running run again when the study is resumed."""
        self._waiting.clear()
        for worker in filter(None, self._slots):
            worker.kill()
        self._starter.close()

    def _handle_message(self, timeout: float) -> None:
        """Handle the next message of any worker, if there is one within `timeout` seconds."""
        try:
            worker, message = self._messages.get(timeout=timeout)
        except queue.Empty:
            return
        if message is None:
            self._slots[self._slots.index(worker)] = None
            worker.close()
            if worker.job is not None:
                seconds = worker.seconds
                # A worker that was given up was killed for what its trial did.
                own = not worker.usable
                self._try_again(worker, worker.cause_of_death(), seconds, own=own)
        elif worker.job is not None:
            if (message.key, message.attempt) == (worker.job.key, worker.attempt):
                self._handle(worker, worker.job, message)
            else:
                worker.give_up("an answer for another trial")
        self._dispatch()

    def _handle(self, worker: _Worker, job: Job, message: Message) -> None:
        match message:
            case messages.Began():
                # The worker keeps the limit of a trial and of an audit; this is for its silence.
                worker.began(message.process, max(job.time_limit, AUDIT_SECONDS))
                self._events.append(Started(job))
            case messages.Reported(progress=progress, metric=metric):
                worker.progress = progress
                self._events.append(Reported(job, progress, metric))
            case messages.Finished(outcome=outcome, not_audited=problem):
                self._modules.update(message.modules)
                if not _belongs_to(outcome, job):
                    worker.give_up("an answer for another trial")
                    return
                if problem is not None:
                    outcome = without_audit(job, outcome, problem)
                if self._had_neighbours(worker) and ran_out_of_memory(outcome.run):
                    worker.job = None
                    assert worker.turn is not None
                    self._waiting.appendleft(replace(worker.turn, alone=True))
                    return
                if job.trial.device == "cpu":
                    took = outcome.run.cost.peak_memory_bytes
                    self._took[job.study] = max(took, self._took.get(job.study, 0))
                self._end(worker, outcome)
            case messages.Refused():
                worker.job = None
                self._events.append(Refused(job, message.error()))
            case messages.Broke(reason=reason, traceback=trace):
                self._end(worker, worker.lost(job, "failed", reason, worker.seconds, trace))
            case messages.Lost(timed_out=True, seconds=seconds):
                reason = f"stopped after {job.time_limit:g} s"
                self._end(worker, worker.lost(job, "timeout", reason, seconds))
            case messages.Lost(cause=cause, seconds=seconds):
                self._try_again(worker, cause, seconds, own=True)
            case _:
                worker.give_up("a message that no worker sends")

    def _try_again(self, worker: _Worker, cause: str, seconds: float, *, own: bool) -> None:
        """Run the job of a process that died once more, unless that was its last attempt.

        `own`: it was the trial's own process, and not the worker that looks after it.
        """
        job, turn = worker.job, worker.turn
        assert job is not None
        assert turn is not None
        turn = replace(
            turn,
            attempt=turn.attempt + 1,
            deaths=turn.deaths + own,
            begun=turn.begun + worker.has_begun,
        )
        if turn.deaths >= ATTEMPTS or turn.begun >= WORKER_ATTEMPTS:
            reason = f"its process died {max(turn.deaths, turn.begun)} times, last by {cause}"
            self._end(worker, worker.lost(job, "failed", reason, seconds))
            return
        worker.job = None
        if turn.attempt <= MOST_ATTEMPTS:
            self._waiting.appendleft(turn)
            return
        error = SuiteError(
            f"{MOST_ATTEMPTS} processes that should have run {_title(job)} ended, and most of them "
            f"before it began, the last by {cause}. {self._starter.log} has what they printed. "
            "Nothing is lost: once the reason is gone, the same command goes on."
        )
        self._events.append(Refused(job, error))

    def _end(self, worker: _Worker, outcome: Outcome) -> None:
        assert worker.job is not None
        self._events.append(Ended(worker.job, outcome))
        worker.job = None

    def _dispatch(self) -> None:
        self._modules.update(loaded_modules())
        for index, worker in enumerate(self._slots):
            if worker is not None and (worker.job is not None or not worker.usable):
                continue
            turn = next((turn for turn in self._waiting if self._may_begin(turn, index)), None)
            if turn is None:
                continue
            self._waiting.remove(turn)
            if worker is None:
                process = self._ready_starter().start_worker(self._modules)
                worker = self._slots[index] = _Worker(process, self._messages)
            worker.run(turn, self._gpu(turn, index), tuple(sorted(self._modules)))

    def _may_begin(self, turn: _Turn, index: int) -> bool:
        """Whether a job may run in a slot now."""
        if not self._has_memory(turn.job):
            return False
        if not turn.on_gpu or not self._gpus:
            return True
        if index >= len(self._gpus):
            return False
        beside = self._on_gpu_of(index)
        if any(worker.alone and worker.job is not None for worker in beside):
            return False
        if not turn.alone:  # one that is to run alone goes first: it needs a GPU that is free
            return not any(other.alone for other in self._waiting)
        if any(worker.job is not None for worker in beside):
            return False
        for worker in beside:  # a process keeps its memory of the GPU until it ends
            worker.give_up("the suite, as another trial needs its GPU")
        return not beside

    def _has_memory(self, job: Job) -> bool:
        """Whether another trial fits beside those that run; the only one always may try."""
        if not any(worker.job is not None for worker in filter(None, self._slots)):
            return True
        left = available_memory()
        return left is None or left >= self._took.get(job.study, 0)

    @cached_property
    def _gpus(self) -> list[str]:
        """The GPU of each of the first slots, once a trial needs one."""
        return gpus_of_slots(len(self._slots), self._per_device)

    def _gpu(self, turn: _Turn, index: int) -> str | None:
        return self._gpus[index] if turn.on_gpu and self._gpus else None

    def _on_gpu_of(self, index: int) -> list[_Worker]:
        """The workers of the slots on the GPU of a slot."""
        same = [i for i, gpu in enumerate(self._gpus) if gpu == self._gpus[index]]
        return [worker for worker in (self._slots[i] for i in same) if worker is not None]

    def _had_neighbours(self, worker: _Worker) -> bool:
        """Whether other trials may have run on the GPU of a worker's trial."""
        return worker.gpu is not None and not worker.alone and self._gpus.count(worker.gpu) > 1

    def _ready_starter(self) -> Starter:
        """The process that forks workers; a new one if it has ended."""
        if not self._starter.usable:
            self._starter = Starter(self._starter.threads, self._starter.log)
        return self._starter

    def _stop_hanging(self) -> None:
        """Kill the workers that send nothing long after their trial's limit, which they enforce.

        They get a moment after they were first seen late: this process may have been stopped
        (Ctrl-Z) or blocked, and an answer that came in time may still be in the pipe.
        """
        now = time.monotonic()
        for worker in filter(None, self._slots):
            if worker.job is None or not worker.usable or now <= worker.deadline:
                continue
            if worker.late_since is None:
                worker.late_since = now
            elif now > worker.late_since + LISTENING_SECONDS:
                worker.give_up("the suite, as it did not answer")


class _Worker:
    """One worker process and what it is doing."""

    def __init__(
        self,
        process: WorkerProcess,
        answers: queue.SimpleQueue[tuple[_Worker, Message | None]],
    ) -> None:
        self.job: Job | None = None
        #: of the present or last trial, and its GPU
        self.turn: _Turn | None = None
        self.gpu: str | None = None
        self.deadline = 0.0
        self.progress = 0.0
        #: when the present trial was first seen to be past its deadline
        self.late_since: float | None = None
        self._began: float | None = None
        #: the process of the present trial
        self._trial_process: int | None = None
        #: why it is being killed
        self._given_up: str | None = None
        self._answers = answers
        self._process = process
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        threading.Thread(target=self._announce_death, daemon=True).start()

    @property
    def usable(self) -> bool:
        """Whether it may get another trial."""
        return self._given_up is None

    @property
    def attempt(self) -> int:
        """Which attempt of its trial it makes; 0 before its first trial."""
        return 0 if self.turn is None else self.turn.attempt

    @property
    def alone(self) -> bool:
        """Whether no other trial may run on the GPU of its trial."""
        return self.turn is not None and self.turn.alone

    @property
    def has_begun(self) -> bool:
        """Whether the present trial, or its audit, has begun."""
        return self._began is not None

    @property
    def seconds(self) -> float:
        """Seconds since the present trial began."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def run(self, turn: _Turn, gpu: str | None, modules: tuple[str, ...]) -> None:
        """Hand the worker its next trial."""
        job = turn.job
        self.turn = turn
        self.job, self.late_since = job, None
        self.gpu = gpu
        self.progress, self._began, self._trial_process = 0.0, None, None
        # An audit comes first, which has the same limits.
        audits = 0 if job.trial.audited is None else 1
        self.deadline = (
            time.monotonic() + START_UP_SECONDS + audits * (START_UP_SECONDS + job.time_limit)
        )
        request = Request(
            key=job.key,
            attempt=turn.attempt,
            trial=job.trial,
            title=_title(job),
            time_limit=job.time_limit,
            gpu=gpu,
            modules=modules,
        )
        # If it died meanwhile, the listener reports that, and the trial is tried again.
        with suppress(BrokenPipeError):
            send(self._process.requests.fileno(), request)

    def began(self, process: int, time_limit: float) -> None:
        """Its trial began in a process."""
        self._trial_process, self._began, self.late_since = process, time.monotonic(), None
        self.deadline = self._began + time_limit + GRACE_SECONDS

    def lost(
        self, job: Job, status: Status, reason: str, seconds: float, trace: str | None = None
    ) -> Outcome:
        """The record of its trial, if the trial left none."""
        return lost(job, status, reason, progress=self.progress, seconds=seconds, traceback=trace)

    def give_up(self, reason: str) -> None:
        """Kill it, for a reason."""
        if self._given_up is None:
            self._given_up = reason
            self.kill()

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        if not self._process.ended:
            self._kill_groups()

    def close(self) -> None:
        """After its end: close its pipe, which ends a worker that lives longer than its starter."""
        self._process.close()

    def cause_of_death(self) -> str:
        """How the process ended, in words."""
        return self._given_up or self._process.wait()

    def _kill_groups(self) -> None:
        """Kill the worker and its trial, each with the processes of its group."""
        self._process.kill()
        if self._trial_process is not None:
            kill_group(self._trial_process)

    def _listen(self) -> None:
        inbox = Inbox(self._process.answers.fileno())
        try:
            while True:
                for message in inbox.receive():
                    self._answers.put((self, message))
        except (EOFError, OSError):
            pass
        except WrongMessage as error:
            self.give_up(str(error))

    def _announce_death(self) -> None:
        """Wait for the process rather than for the end of its pipe, which its children may hold.

        Its death comes last: what the worker sent before is handled first.
        """
        self._process.wait()
        self._kill_groups()
        self._listener.join(LISTENING_SECONDS)
        self._answers.put((self, None))


def _belongs_to(outcome: Outcome, job: Job) -> bool:
    run, trial = outcome.run, job.trial
    said = (run.number, run.seed, run.hyperparameters)
    return said == (trial.number, trial.seed, trial.hyperparameters)


def _title(job: Job) -> str:
    method = method_name(job.trial.components)
    trial = job.trial
    return f"{method} on {trial.task}, replicate {trial.replicate} {trial.purpose} {trial.number}"
