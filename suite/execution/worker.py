"""A worker process: runs one trial after another for the process that started it.

Started as `python -P -m suite.execution.worker`. Trials come in by standard input as pickles,
reports and outcomes go out by standard output. What a method prints goes to standard error, so that
it cannot disturb either. When the starting process dies, however it dies, standard input ends and
the worker ends with it.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the starting process's to handle
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()

    from suite.errors import SuiteError
    from suite.training.calibration import warm_up
    from suite.training.loop import run_trial

    warm_up()
    while True:
        trial = requests.get()
        _send(answers, ("began", None))

        def report(progress: float, metric: float) -> None:
            _send(answers, ("report", (progress, metric)))

        try:
            _send(answers, ("done", run_trial(trial, report)))
        except SuiteError as error:
            _send(answers, ("error", error))
        sys.stderr.flush()


def _receive(stream: BinaryIO, requests: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            requests.put(pickle.load(stream))
    except EOFError:
        os._exit(0)


def _send(stream: BinaryIO, message: tuple[str, Any]) -> None:
    pickle.dump(message, stream)
    stream.flush()


if __name__ == "__main__":
    main()
