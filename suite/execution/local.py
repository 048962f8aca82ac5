"""Execution: trials in worker processes. An executor has three methods: submit, next_event, close.

A worker that dies costs its trial one retry, not the study; a trial that hangs is killed, with all
processes that it started.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from suite.execution.executor import Event, Job, lost
from suite.home import ROOT

ATTEMPTS = 2


#: what a worker may take to start on a busy machine, before its trial's own time limit counts
START_UP_SECONDS = 300.0


#: how long what a worker said, and nobody has read yet, may still count
LISTENING_SECONDS = 1.0


class LocalExecutor:
    """Worker processes on this machine, each running one trial at a time."""

    def __init__(self, jobs: int, threads: int, log: Path) -> None:
        self._threads = threads
        self._log = log
        self._waiting: deque[tuple[Job, int]] = deque()
        self._messages: queue.SimpleQueue[tuple[_Worker, tuple[str, Any]]] = queue.SimpleQueue()
        self._slots: list[_Worker | None] = [None] * jobs
        self._events: deque[Event] = deque()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append((job, 1))
        self._dispatch()

    def next_event(self, timeout: float) -> Event | None:
        """Wait up to `timeout` seconds for something to happen."""
        until = time.monotonic() + timeout
        while not self._events:
            while not self._messages.empty():
                self._handle_message(0.0)
            self._stop_hanging()
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._handle_message(min(left, 0.5))
        return self._events.popleft()

    def close(self) -> None:
        """Kill the workers; what they were running is run again when the study goes on."""
        self._waiting.clear()
        for worker in filter(None, self._slots):
            worker.kill()

    def _handle_message(self, timeout: float) -> None:
        """Handle the next message of any worker, if there is one within `timeout` seconds."""
        try:
            worker, message = self._messages.get(timeout=timeout)
        except queue.Empty:
            return
        self._handle(worker, *message)

    def _handle(self, worker: _Worker, kind: str, content: Any) -> None:
        job = worker.job
        if kind == "died":
            self._slots[self._slots.index(worker)] = None
            worker.job = None
            if job is not None:
                self._after_death(worker, job)
        elif job is not None:
            if kind == "began":
                worker.deadline, worker.late_since = time.monotonic() + job.time_limit, None
                return
            if kind == "report":
                worker.progress = content[0]
            else:
                worker.job = None
            self._events.append(Event(kind, job, content))
        self._dispatch()

    def _after_death(self, worker: _Worker, job: Job) -> None:
        if worker.timed_out:
            reason = f"stopped after {job.time_limit:g} s"
            outcome = lost(job, "timeout", reason, worker.progress)
        elif worker.attempt < ATTEMPTS:
            self._waiting.appendleft((job, worker.attempt + 1))
            return
        else:
            reason = f"its worker process died {ATTEMPTS} times, last by {worker.cause_of_death()}"
            outcome = lost(job, "failed", reason, worker.progress)
        self._events.append(Event("done", job, outcome))

    def _dispatch(self) -> None:
        for index, worker in enumerate(self._slots):
            if not self._waiting:
                return
            if worker is None:
                worker = self._slots[index] = _Worker(self._threads, self._log, self._messages)
            if worker.job is None and not worker.timed_out:
                job, attempt = self._waiting.popleft()
                worker.run(job, attempt)
                self._events.append(Event("started", job))

    def _stop_hanging(self) -> None:
        """Kill the workers that are past their deadline, unless they turn out to have answered.

        They get a moment after they were first seen late: this process may have been stopped
        (Ctrl-Z) or blocked, and an answer that came in time may still lie in the pipe.
        """
        now = time.monotonic()
        for worker in filter(None, self._slots):
            if worker.job is None or worker.timed_out or now <= worker.deadline:
                continue
            if worker.late_since is None:
                worker.late_since = now
            elif now > worker.late_since + LISTENING_SECONDS:
                worker.timed_out = True
                worker.kill()


class _Worker:
    """One worker process and what it is doing."""

    def __init__(self, threads: int, log: Path, messages: queue.SimpleQueue[Any]) -> None:
        self.job: Job | None = None
        self.attempt = 0
        self.deadline = 0.0
        self.progress = 0.0
        #: when the present trial was first seen to be past its deadline
        self.late_since: float | None = None
        #: its trial took too long: it has been killed, or is about to be
        self.timed_out = False
        self._messages = messages
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "suite.execution.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=_environment(threads),
                start_new_session=True,
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        threading.Thread(target=self._announce_death, daemon=True).start()

    def run(self, job: Job, attempt: int) -> None:
        """Hand the worker its next trial."""
        self.job, self.attempt, self.late_since = job, attempt, None
        self.deadline, self.progress = time.monotonic() + START_UP_SECONDS, 0.0
        assert self._process.stdin is not None
        try:
            pickle.dump(job.trial, self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died meanwhile: the listener says so, and the trial is tried again

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        if self._process.poll() is None:
            self._kill_group()

    def cause_of_death(self) -> str:
        """How the process ended, in words."""
        code = self._process.wait()
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name
        return name + (", perhaps for want of memory" if name == "SIGKILL" else "")

    def _kill_group(self) -> None:
        """Kill the worker's session: it, and the processes that a method forked."""
        # Nobody is left in it, or, as macOS says it, only the dead.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                self._messages.put((self, pickle.load(self._process.stdout)))

    def _announce_death(self) -> None:
        """Wait for the process rather than for the end of its pipe, which its children hold open.

        "died" comes last: what the worker said before is heard first.
        """
        self._process.wait()
        self._kill_group()
        self._listener.join(LISTENING_SECONDS)  # a child in a session of its own lives on
        self._messages.put((self, ("died", None)))


def _environment(threads: int) -> dict[str, str]:
    """A worker's environment: threads fixed before torch starts its pools; our own code first."""
    root = str(ROOT)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    fixed = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    # cuBLAS repeats its results only with a fixed workspace.
    return {**os.environ, **fixed, "PYTHONPATH": path, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
