"""Starting workers: the starting process's side of `suite.execution.starter`.

Imports no torch, so that a command can start this first and plan its studies meanwhile.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from suite.execution.processes import cause_of_death, kill_group
from suite.home import ROOT, home


class Starter:
    """A process that imports torch and the suite once and forks workers, with their log."""

    def __init__(self, threads: int, log: Path) -> None:
        self.threads = threads
        self.log = log
        self._workers: dict[int, WorkerProcess] = {}
        self._lock = threading.Lock()
        self._over = False
        self._channel, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "suite.execution.starter", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=worker_environment(threads),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def usable(self) -> bool:
        """Whether it can start workers."""
        return not self._over

    def start_worker(self, modules: Iterable[str]) -> WorkerProcess:
        """Have it fork a worker, once it is ready; `modules` are imported before."""
        requests, to_worker = os.pipe()
        from_worker, answers = os.pipe()
        with self._lock:
            number = len(self._workers)
            worker = WorkerProcess(to_worker, from_worker, self._kill)
            self._workers[number] = worker
            if self._over:
                worker.end(None, self.cause_of_death())
        text = json.dumps({"number": number, "modules": sorted(modules)}).encode()
        try:
            header = len(text).to_bytes(4, "big")
            socket.send_fds(self._channel, [header], [requests, answers])
            self._channel.sendall(text)
        except OSError as error:
            # The process has ended: the listener notices it, and closes the channel.
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.EBADF):
                raise
        for file in (requests, answers):
            os.close(file)
        return worker

    def close(self) -> None:
        """End it at once. Its workers end themselves when their requests end."""
        self._kill()
        self._process.wait()

    def _kill(self) -> None:
        if self._process.poll() is None:
            kill_group(self._process.pid)

    def cause_of_death(self) -> str:
        """How the process ended, in words."""
        return cause_of_death(self._process.wait())

    def _listen(self) -> None:
        """Take what the process says; at its end, all its workers count as ended."""
        with suppress(OSError), self._channel.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                self._heard(json.loads(line))
        with self._lock:
            self._over = True
            for worker in self._workers.values():
                worker.end(None, self.cause_of_death())
        self._channel.close()

    def _heard(self, said: dict[str, int]) -> None:
        with self._lock:
            worker = self._workers[said["number"]]
        if "process" in said:
            worker.began(said["process"])
        else:
            worker.end(said["status"], cause_of_death(said["status"]))


def worker_log() -> Path:
    """Where the output of worker processes goes: what methods print, and crashes."""
    return home() / "logs" / f"workers-{os.getpid()}.log"


class WorkerProcess:
    """A worker that a starter forks: the ends of its pipes, its number and its end."""

    def __init__(self, requests: int, answers: int, kill_starter: Callable[[], None]) -> None:
        self._kill_starter = kill_starter
        #: to send requests to, and to read answers from
        self.requests = open(requests, "wb", buffering=0)  # noqa: SIM115, open as long as it lives
        self.answers = open(answers, "rb", buffering=0)  # noqa: SIM115
        self._process: int | None = None
        self._cause = ""
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def began(self, process: int) -> None:
        """The starter has forked it."""
        with self._lock:
            self._process = process

    def end(self, status: int | None, cause: str) -> None:
        """It has ended or, without a status, its starter has: then it ends itself."""
        with self._lock:
            if not self._ended.is_set():
                self._cause = cause
                if status is not None:
                    self._process = None  # the number may soon be another process's
                self._ended.set()

    def kill(self) -> None:
        """End it and the processes of its group at once; before it is forked, its starter."""
        with self._lock:
            if self._process is not None:
                kill_group(self._process)
            elif not self.ended:
                self._kill_starter()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def wait(self) -> str:
        """Wait for its end; return how it ended, in words."""
        self._ended.wait()
        return self._cause

    def close(self) -> None:
        """Close the pipe of its requests: a worker that still runs ends itself."""
        self.requests.close()


def worker_environment(threads: int) -> dict[str, str]:
    """A worker's environment: threads fixed before torch starts its pools; our own code first."""
    root = str(ROOT)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    fixed = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    # Every process iterates over a set of names in the same order.
    fixed["PYTHONHASHSEED"] = "0"
    # pandas imports pyarrow, whose allocator starts a thread: processes are forked from one thread.
    fixed["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    # cuBLAS repeats its results only with a fixed workspace.
    return {**os.environ, **fixed, "PYTHONPATH": path, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
