"""A dask cluster on this machine, for tests: a scheduler and workers, each a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.commands import ROOT


class Cluster:
    """A scheduler and its workers, which have one thread each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        #: the process of each worker that was started, in order
        self.workers: list[subprocess.Popen[bytes]] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", str(self._port))

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return f"127.0.0.1:{self._port}"

    def add_worker(self) -> None:
        """Start a worker; returns at once."""
        place = self._folder / f"local{len(self.workers)}"
        options = ("--nthreads", "1", "--no-nanny", "--name", str(len(self.workers)))
        more = ("--local-directory", str(place))
        self.workers.append(self._start("worker", f"tcp://{self.address}", *options, *more))

    def wait_for_workers(self, count: int) -> None:
        """Wait until the scheduler has so many workers."""
        from distributed import Client

        with Client(f"tcp://{self.address}", timeout=60, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def stop(self) -> None:
        """End all that was started."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)
        for process in self._processes:
            process.wait()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        home = self._folder / f"home{len(self._processes)}"
        log = (self._folder / f"{arguments[0]}{len(self._processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SUITE_HOME": str(home)},
            cwd=self._folder,
        )
        self._processes.append(process)
        return process


@contextmanager
def workers(folder: Path, count: int) -> Iterator[Cluster]:
    """A cluster of so many workers, which are there."""
    cluster = Cluster(folder)
    try:
        for _ in range(count):
            cluster.add_worker()
        cluster.wait_for_workers(count)
        yield cluster
    finally:
        cluster.stop()


def children(process: int) -> list[int]:
    """The processes below a process."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(place.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == process:
            child = int(place.parent.name)
            found += [child, *children(child)]
    return found


def wait_until(what: str, happened) -> None:
    """Wait for something that is to happen within a minute."""
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until, f"not within a minute: {what}"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
