"""The process that runs a trial or, on a GPU, the trials of a study, one after another.

Forked by a worker, or started as `python -P -m suite.execution.child REQUESTS ANSWERS` with the
numbers of two file descriptors. The method's output goes to standard output; answers go to a
separate pipe.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from suite.errors import SuiteError
from suite.execution.messages import (
    Audited,
    Began,
    Broke,
    Finished,
    Inbox,
    Message,
    Refused,
    Reported,
    Request,
    send,
)
from suite.execution.processes import die_with_parent
from suite.results.fields import printable
from suite.training.reasons import reason_of, trace_of

if TYPE_CHECKING:
    from suite.results.model import AuditRecord

#: slow imports of tasks and methods that run no code of theirs: worth importing once, before
#: processes are forked
WORTH_IMPORTING = ("sklearn.datasets", "sklearn.svm", "pytorch_optimizer", "scipy.stats", "pandas")


def serve(requests: int, answers: int) -> None:
    """Answer requests until there are no more, and end the process, whatever happens."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starting process handles Ctrl-C
        die_with_parent()
        _show_each_line()
        _Child(Inbox(requests), answers).serve()
    except EOFError:
        code = 0
    except BaseException as error:
        with suppress(BaseException):
            os.write(2, trace_of(error).encode())
    finally:
        os._exit(code)  # skips threads and exit handlers of the method


class _Child:
    """Takes requests and answers them."""

    def __init__(self, inbox: Inbox, answers: int) -> None:
        self._inbox = inbox
        self._answers = answers
        self._process = os.getpid()

    def serve(self) -> None:
        """Answer requests; raises EOFError when there are no more."""
        while True:
            for request in self._inbox.receive():
                assert isinstance(request, Request)
                self._send(Began(**_of(request), process=self._process))
                answer = self._answer(request)
                for stream in (sys.stdout, sys.stderr):
                    with suppress(Exception):
                        stream.flush()
                self._send(answer)

    def _answer(self, request: Request) -> Message:
        try:
            return self._audit(request) if request.audit_only else self._run(request)
        except SuiteError as error:
            text = printable(str(error))
            return Refused(**_of(request), name=type(error).__name__, text=text)
        except BaseException as error:
            return Broke(**_of(request), reason=reason_of(error), traceback=trace_of(error))

    def _run(self, request: Request) -> Finished:
        from suite.training.calibration import warm_up
        from suite.training.loop import run_trial

        def report(progress: float, metric: float) -> None:
            self._send(Reported(**_of(request), progress=progress, metric=metric))

        warm_up()
        outcome = run_trial(request.trial, report, request.audit)
        return Finished(**_of(request), outcome=outcome, modules=loaded_modules())

    def _audit(self, request: Request) -> Audited:
        from suite.training.audit import measure

        record: AuditRecord = measure(request.trial)
        return Audited(**_of(request), record=record)

    def _send(self, message: Message) -> None:
        if os.getpid() != self._process:
            os._exit(0)  # a method forked, and both processes continued: only one may answer
        send(self._answers, message)


def loaded_modules() -> tuple[str, ...]:
    """The modules worth importing once that this process has imported."""
    return tuple(name for name in WORTH_IMPORTING if name in sys.modules)


def _show_each_line() -> None:
    """Pass on output line by line: the process may be killed before it ends.

    A new stream: the one that is there was made for another file, which could be searched.
    """
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115


def _of(request: Request) -> dict[str, object]:
    return {"key": request.key, "attempt": request.attempt}


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
