"""The starter: a process that imports torch and the suite once, and forks every worker.

Started as `python -P -m suite.execution.starter SOCKET` with the number of a socket; the other end
is `suite.execution.starting.Starter`. Each request brings the two ends of pipes that a worker reads
requests from and writes answers to. The starter says the process number of each worker, and how it
ended.

Forking is safe here because this process runs nothing: it has a single thread, no operator of
torch has started a pool of threads, no GPU is used, and no file of a method or task is imported. A
worker forks its trials from the same state.

When the starting process ends for any reason, the socket ends, and so do the pipes of the workers,
which end themselves and their trials.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress

#: on the socket, before the text of a request; the files of the pipes come with it
HEADER_BYTES = 4


def main() -> None:
    """Fork workers until the socket ends."""
    # Most objects that the imports make live on: to search them for garbage takes a third of the
    # time. They are excluded from garbage collection before it is enabled again.
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starting process handles Ctrl-C
    # So it does with this one, which a scheduler sends to all processes of a job: a worker that
    # died of it would count against its trial.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    from suite.execution import worker

    worker.prepare(())
    gc.freeze()
    gc.enable()
    _Starter(socket.socket(fileno=int(sys.argv[1]))).serve()


class _Starter:
    """Takes requests for workers, and watches the workers."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._numbers: dict[int, int] = {}
        # A worker's end wakes the wait for requests.
        self._wakes, wake = os.pipe()
        for file in (self._wakes, wake):
            os.set_blocking(file, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        channel = self._channel.fileno()
        while True:
            ready, _, _ = select.select([channel, self._wakes], [], [])
            if self._wakes in ready:
                with suppress(BlockingIOError):
                    os.read(self._wakes, 1 << 10)
                self._report_ends()
            if channel in ready:
                header, files, _, _ = socket.recv_fds(self._channel, HEADER_BYTES, 2)
                if len(files) < 2:
                    return
                request = json.loads(self._text(header))
                self._fork(request["number"], request["modules"], *files)

    def _text(self, header: bytes) -> bytes:
        header += self._exactly(HEADER_BYTES - len(header))
        return self._exactly(int.from_bytes(header, "big"))

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self._channel.recv(count - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def _fork(self, number: int, modules: list[str], requests: int, answers: int) -> None:
        from suite.execution import worker

        worker.prepare(tuple(modules))
        gc.freeze()
        process = os.fork()
        if not process:
            try:
                self._become_worker(requests, answers)
            finally:
                os._exit(1)
        for file in (requests, answers):
            os.close(file)
        self._numbers[process] = number
        self._say(number=number, process=process)

    def _become_worker(self, requests: int, answers: int) -> None:
        from suite.execution import worker

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        # Only its own ends of the pipes: those of others would stay open as long as it lives.
        worker.serve(*worker.keep_only(requests, answers))

    def _report_ends(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not process:
                return
            self._say(number=self._numbers.pop(process), status=os.waitstatus_to_exitcode(status))

    def _say(self, **said: int) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the next request is the end
            self._channel.sendall(json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    main()
