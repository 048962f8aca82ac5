"""A worker: runs each trial in a separate process, on request of the process that started it.

Forked by `suite.execution.starter`. Requests come in by one pipe, answers go out by another. The
worker holds torch and the suite and never imports a method or a task. On a CPU it forks a process
for each trial, so that a trial is not affected by earlier ones. A process that uses a GPU cannot be
forked: there each study has its own, newly started process.

When the starting process ends for any reason, the requests end; the worker then kills the trial and
ends, too.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from suite.components.discovery import places
from suite.components.fingerprints import suite_hash
from suite.components.imports import imported
from suite.execution import child as trials
from suite.execution import processes
from suite.execution.audits import keep_audit, kept_audit
from suite.execution.messages import (
    Audited,
    Began,
    Broke,
    Finished,
    Inbox,
    Lost,
    Message,
    Refused,
    Reported,
    Request,
    WrongMessage,
    send,
)
from suite.execution.processes import adopt_orphans, cause_of_death, kill_children, kill_group
from suite.results.model import AuditRecord
from suite.training.trial import Trial

#: what a trial's process may take to start on a busy machine, before the trial's own limit counts
START_UP_SECONDS = 300.0
#: how often a trial, or its audit, is tried if its process dies
ATTEMPTS = 2
#: seconds that an audit may take, if the trial's own limit is shorter
AUDIT_SECONDS = 60.0
#: how often the worker checks whether a process that sends nothing still lives
_LOOK_SECONDS = 0.2
#: what the methods of one trial may print into the log
OUTPUT_BYTES = 1_000_000


def serve(requests: int, answers: int) -> None:
    """Answer the requests of a pipe until there are no more, and end the process."""
    adopt_orphans()
    _Worker(requests, answers).serve()


class _Worker:
    """Takes one request after another, and has a child process answer each."""

    def __init__(self, requests: int, answers: int) -> None:
        self._inbox = Inbox(requests)
        self._answers = answers
        self._child: _Child | None = None

    def serve(self) -> None:
        """Answer requests; ends the process when there are no more."""
        while True:
            try:
                for request in self._inbox.receive():
                    assert isinstance(request, Request)
                    self._handle(request)
            except EOFError:
                self._end()

    def _handle(self, request: Request) -> None:
        """Audit the trial's method if that is requested, then run the trial."""
        if request.gpu is not None:  # this process uses none; those that it starts inherit it
            os.environ["CUDA_VISIBLE_DEVICES"] = request.gpu
        audit, problem = self._audit(request)
        last: Message | None = None
        for last in self._ask(request.model_copy(update={"audit": audit})):
            if isinstance(last, Finished):
                last = last.model_copy(update={"not_audited": problem})
            send(self._answers, last)
        if not _may_go_on(request, last):
            self._stop_child()

    def _audit(self, request: Request) -> tuple[AuditRecord | None, str | None]:
        """The audit of the trial's method, or why it failed; neither if none is requested."""
        if request.trial.audited is None:
            return None, None
        kept = kept_audit(request.trial)
        if kept is not None:
            return kept, None
        last: Message | None = None
        for _ in range(ATTEMPTS):
            self._stop_child()
            for last in self._ask(request.model_copy(update={"audit_only": True})):
                if isinstance(last, Began):  # the starting process may have to kill it
                    send(self._answers, last)
            self._stop_child()
            if not (isinstance(last, Lost) and not last.timed_out):
                break
        match last:
            case Audited():
                keep_audit(request.trial, last.record)
                return last.record, None
            case Broke():
                return None, last.reason
            case Refused():
                return None, last.text
            case Lost():
                return None, last.cause
        return None, "it ended without a record"

    def _ask(self, request: Request) -> Iterator[Message]:
        """Send a request to a child process; return its answer, or how it ended."""
        if self._child is None or self._child.study != request.key[0]:
            self._stop_child()
            self._child = _Child(request)
        child = self._child
        child.give(request)
        began: float | None = None
        deadline = time.monotonic() + START_UP_SECONDS
        problem: str | None = None
        while problem is None and time.monotonic() <= deadline:
            try:
                for message in self._heard(child):
                    problem = _what_is_wrong(message, request)
                    if problem is not None:
                        break
                    if isinstance(message, Began):
                        began = time.monotonic()
                        deadline = began + _limit(request)
                    yield message
                    if isinstance(message, Finished | Audited | Refused | Broke):
                        return
            except WrongMessage as error:
                problem = f"{error} where its answer was expected"
            except EOFError:
                problem = child.end()
        timed_out = problem is None and began is not None
        limit = START_UP_SECONDS if began is None else _limit(request)
        seconds = 0.0 if began is None else time.monotonic() - began
        self._stop_child()
        yield Lost(
            key=request.key,
            attempt=request.attempt,
            timed_out=timed_out,
            cause=problem or f"the suite, after {limit:g} s without an end",
            seconds=seconds,
        )

    def _heard(self, child: _Child) -> Iterator[Message]:
        """What a child sends within a moment; raises EOFError once it has ended."""
        files = [self._inbox.file, child.inbox.file, child.output.file]
        ready, _, _ = select.select([file for file in files if file >= 0], [], [], _LOOK_SECONDS)
        if child.output.file in ready:
            child.output.pass_on()
        if self._inbox.file in ready:
            # No request comes while a trial runs: this is the end of the starting process.
            self._end()
        if child.inbox.file not in ready and child.ended():
            # What it sent just before its end counts.
            ready, _, _ = select.select([child.inbox.file], [], [], 0)
            if not ready:
                raise EOFError
        if child.inbox.file in ready:
            yield from child.inbox.receive()

    def _stop_child(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _end(self) -> None:
        self._stop_child()
        os._exit(0)


class _Child:
    """A process that runs the trials of one study: on a CPU a single one."""

    def __init__(self, request: Request) -> None:
        self.study = request.key[0]
        requests, self._requests = os.pipe()
        answers, theirs = os.pipe()
        output, printed = os.pipe()
        self.inbox = Inbox(answers)
        self.output = _Output(output, request.title)
        self._status: int | None = None
        start = _fork if processes.can_fork(request.trial.device) else _spawn
        self.process = start(requests, theirs, printed, request)
        for file in (requests, theirs, printed):
            os.close(file)

    def give(self, request: Request) -> None:
        """Send a request; if the process has died, `listen` notices it."""
        self.output.title = request.title
        with suppress(BrokenPipeError):
            send(self._requests, request)

    def ended(self) -> bool:
        """Whether the process has ended."""
        if self._status is None:
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status is not None

    def end(self) -> str:
        """Wait a moment for the process to end; return how it ended, in words."""
        for _ in range(50):
            if self.ended():
                assert self._status is not None
                return cause_of_death(self._status)
            time.sleep(0.02)
        return "the end of its answers"

    def stop(self) -> None:
        """End the process and all that it started, and put the rest of its output into the log."""
        kill_group(self.process)
        kill_children()
        self.output.pass_on_rest()
        for file in (self._requests, self.inbox.file, self.output.file):
            if file >= 0:
                os.close(file)


class _Output:
    """What the processes of a child print: passed on into the log, up to a limit."""

    def __init__(self, file: int, title: str) -> None:
        self.file = file
        os.set_blocking(file, False)
        self._left = 0
        self._title = title
        self._begun = False
        self.title = title

    @property
    def title(self) -> str:
        """The trial that prints."""
        return self._title

    @title.setter
    def title(self, title: str) -> None:
        self._title, self._left, self._begun = title, OUTPUT_BYTES, False

    def pass_on(self) -> bool:
        """Pass on what was printed meanwhile; return whether there was anything."""
        try:
            part = os.read(self.file, 1 << 16)
        except BlockingIOError:
            return False
        if not part:  # no process is left that could print
            os.close(self.file)
            self.file = -1
            return False
        if not self._begun:
            self._begun = True
            _write(f"== {self._title}\n".encode())
        if self._left > 0:
            _write(part[: self._left])
            self._left -= len(part)
            if self._left <= 0:
                _write(f"\n== {self._title}: the rest of its output is left out\n".encode())
        return True

    def pass_on_rest(self) -> None:
        """Pass on the rest, once all processes that could print have ended."""
        while self.file >= 0 and self.pass_on():
            pass


def _write(text: bytes) -> None:
    """Write to the log; on a full disk the log is incomplete, but the trial continues."""
    with suppress(OSError):
        os.write(2, text)


def _may_go_on(request: Request, last: Message | None) -> bool:
    """Whether the process may run another trial of the study: a GPU's, if its trial went well."""
    if processes.can_fork(request.trial.device) or not isinstance(last, Finished):
        return False
    return last.outcome.run.status != "failed"


def _limit(request: Request) -> float:
    """Seconds that a request may take: an audit may take longer than a short trial."""
    return max(request.time_limit, AUDIT_SECONDS) if request.audit_only else request.time_limit


def _what_is_wrong(message: Message, request: Request) -> str | None:
    if not isinstance(message, Began | Reported | Finished | Audited | Refused | Broke):
        return "a message that no trial sends"
    if (message.key, message.attempt) != (request.key, request.attempt):
        return "an answer for another trial"
    if request.audit_only:
        return "an outcome instead of an audit" if isinstance(message, Finished) else None
    return "an audit instead of an outcome" if isinstance(message, Audited) else None


def _fork(requests: int, answers: int, printed: int, request: Request) -> int:
    """Fork a process from this one, which has imported everything but tasks and methods."""
    prepare(request.modules)
    _read_sources(request.trial)
    # Exclude what was imported from garbage collection: the children keep its memory shared.
    gc.collect()
    gc.freeze()
    process = os.fork()
    if process:
        _make_group(process)
        return process
    try:
        _make_group(0)
        silence = os.open(os.devnull, os.O_RDONLY)
        for place, file in enumerate((silence, printed, printed)):
            os.dup2(file, place)
        # Only its own ends of the pipes, not the worker's or those of others.
        requests, answers = keep_only(requests, answers)
        trials.serve(requests, answers)
    finally:
        os._exit(1)


def _read_sources(trial: Trial) -> None:
    """Parse a trial's files, which runs none of their code: its processes find that done.

    What was parsed is kept by the files' content, so that an edited file is parsed anew. The hash
    of the suite is on disk already: the starting process needed it to plan the study.
    """
    suite_hash()
    named = [("task", trial.task), *trial.components]
    found = [place for key in named for place in places(*key) if isinstance(place, Path)]
    for path in (*found, *map(Path, trial.files)):
        with suppress(OSError):  # the trial will report it
            imported(path)


def keep_only(*files: int) -> list[int]:
    """Close every file descriptor except the standard ones and these, which get other numbers."""
    high = [os.dup(file) for file in files]
    first = 3
    for file in sorted(high):
        os.closerange(first, file)
        first = file + 1
    os.closerange(first, 1 << 16)
    return high


def _spawn(requests: int, answers: int, printed: int, request: Request) -> int:
    """Start a new process: one that uses a GPU cannot be forked."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "suite.execution.child", str(requests), str(answers)],
        stdin=subprocess.DEVNULL,
        stdout=printed,
        stderr=printed,
        pass_fds=(requests, answers),
        process_group=0,
    )
    process.returncode = 0  # the worker waits for it, and subprocess must not
    return process.pid


def _make_group(process: int) -> None:
    with suppress(OSError):  # the other of the two was quicker, or the child has ended
        os.setpgid(process, process)


_prepared: set[str] = set()


def prepare(modules: tuple[str, ...]) -> None:
    """Import what every trial needs, and what its trials need according to the starting process.

    No thread may be started here: a forked process would lose it.
    """
    for name in ("suite.training.loop", "suite.training.audit", *modules):
        if name not in _prepared:
            _prepared.add(name)
            try:
                importlib.import_module(name)
            except Exception as error:  # a trial that needs it will report the error
                _write(f"== importing {name} failed: {error}\n".encode())
    if "warm" not in _prepared:
        _prepared.add("warm")
        from suite.components.fingerprints import suite_texts
        from suite.training.calibration import warm_up

        suite_texts()  # the code that was imported, whatever happens to the files
        warm_up()
