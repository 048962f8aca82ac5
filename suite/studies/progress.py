"""Progress files: what happens to the trials of a study, for an observer on another machine.

Beside the study's journal, which holds the finished trials: this file says which trials run and how
far they are, and why a study ended without a result. It is shown, and nothing relies on it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.errors import SuiteError
from suite.execution.executor import Event, Reported, Started

if TYPE_CHECKING:
    from suite.studies.plan import Plan
    from suite.studies.run_studies import Shown, View


def progress_file(plan: Plan) -> Path:
    """Where the progress of a study is written."""
    return plan.journal.with_suffix(".progress")


class ProgressFile:
    """Writes the progress of one study; a view that passes everything on to another one."""

    def __init__(self, plan: Plan) -> None:
        self._path = progress_file(plan)
        self._then: View | None = None

    def around(self, view: View) -> View:
        """Pass what happens on to a view, too."""
        self._then = view
        return self

    def failed(self, error: SuiteError) -> None:
        """The study ended for a reason that the user can mend, and trying again does not."""
        self._say(error=str(error), exit_code=error.exit_code)

    def opened(self, study: Shown) -> None:
        """A study begins or resumes: what an earlier process said is over."""
        with suppress(OSError):
            self._path.write_bytes(b"")
        if self._then is not None:
            self._then.opened(study)

    def event(self, study: Shown, event: Event) -> None:
        """Something happened to one of its trials; a finished one is in the journal."""
        trial = [*event.job.trial.series, event.job.trial.number]
        if isinstance(event, Started):
            self._say(started=trial)
        elif isinstance(event, Reported):
            self._say(reported=trial, progress=event.progress, metric=event.metric)
        if self._then is not None:
            self._then.event(study, event)

    def closed(self, study: Shown) -> None:
        """Its result is written, or it has stopped."""
        if study.stopped is not None:
            self._say(stopped=str(study.stopped))
        if self._then is not None:
            self._then.closed(study)

    def _say(self, **said: Any) -> None:
        with suppress(OSError), self._path.open("ab", buffering=0) as file:
            file.write(json.dumps(said).encode() + b"\n")
