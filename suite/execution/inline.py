"""Trials in this process, one after another: to debug a method with pdb, and for quick tests.

Trials have no separate process here: what a method changes in the process affects later trials.
Time limits do not hold. For results to publish use `suite.execution.local`. Ctrl-C and the
debugger's `quit` end everything, not only a trial.
"""

from __future__ import annotations

import json
import re
import sys
from bdb import BdbQuit
from collections import deque
from collections.abc import Mapping

from suite import instruction_set
from suite.errors import SuiteError, UsageError
from suite.execution.audits import kept_audit
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
from suite.results import environment
from suite.results.model import AuditRecord, EnvironmentRecord
from suite.training.audit import measure
from suite.training.loop import Report, run_trial
from suite.training.reasons import reason_of, trace_of
from suite.training.trial import Outcome, Trial


class InlineExecutor:
    """Runs a job when the next event is requested.

    With `tracebacks`, the traceback of a trial that fails is printed as soon as it has ended.
    """

    def __init__(self, *, tracebacks: bool = False) -> None:
        if (there := instruction_set.here()) != instruction_set.in_use():
            raise UsageError(
                f"torch has computed with {there} in this process, and trials use "
                f"{instruction_set.in_use()}: import suite before torch computes, or run trials in "
                "processes of their own (jobs=1)."
            )
        self._tracebacks = tracebacks
        #: audits that were made here. None is cached on disk: what earlier trials left in this
        #: process may have changed it
        self._audits: dict[str, AuditRecord] = {}
        self._waiting: deque[Job] = deque()
        self._events: deque[Event] = deque()

    def environment(self, device: str, packages: Mapping[str, str]) -> EnvironmentRecord:
        """This machine."""
        return environment.record(device, packages)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append(job)

    def next_event(self, timeout: float) -> Event | None:
        """The next event; runs a whole trial if there is none yet."""
        if not self._events and self._waiting:
            self._run(self._waiting.popleft())
        return self._events.popleft() if self._events else None

    def close(self) -> None:
        """Forget the jobs that have not run."""
        self._waiting.clear()

    def _run(self, job: Job) -> None:
        progress = 0.0

        def report(now: float, metric: float) -> None:
            nonlocal progress
            progress = now
            self._events.append(Reported(job, now, metric))

        self._events.append(Started(job))
        try:
            outcome = self._outcome(job, report)
        except SuiteError as error:
            self._events.append(Refused(job, error))
            return
        except Exception as error:
            outcome = lost(
                job,
                "failed",
                reason_of(error),
                progress=progress,
                seconds=0.0,
                traceback=trace_of(error),
            )
        run = outcome.run
        if run.status == "interrupted" or re.match(r"BdbQuit\b", run.reason or ""):
            raise KeyboardInterrupt
        if self._tracebacks and run.traceback:
            print(run.traceback, file=sys.stderr, end="", flush=True)
        self._events.append(Ended(job, outcome))

    def _outcome(self, job: Job, report: Report) -> Outcome:
        audit: AuditRecord | None = None
        problem = None
        if job.trial.audited is not None:
            try:
                audit = self._audit(job.trial)
            except BdbQuit:
                raise KeyboardInterrupt from None
            except Exception as error:
                problem = reason_of(error)
                if self._tracebacks:
                    print(trace_of(error), file=sys.stderr, end="", flush=True)
        outcome = run_trial(job.trial, report, audit)
        return outcome if problem is None else without_audit(job, outcome, problem)

    def _audit(self, trial: Trial) -> AuditRecord:
        """The audit of a trial's method: the cached one, or the one made here, or a new one."""
        kept = kept_audit(trial) if trial.sources else None
        if kept is not None:
            return kept
        key = json.dumps([trial.task, trial.components, trial.audited, trial.sources])
        if key not in self._audits:
            self._audits[key] = measure(trial)
        return self._audits[key]
