"""Ending processes with all that they started.

On Linux a worker adopts the orphans among its descendants, so that even processes that a method
put into other sessions end with their trial. Elsewhere those cannot be found; all that stayed in
the trial's process group are ended everywhere.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: how long killed processes may take to disappear
_PATIENCE_SECONDS = 5.0


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have this process killed when the process that started it ends, in whatever way (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def can_fork(device: str) -> bool:
    """Whether a process that uses a device may be forked from one that has imported torch.

    The runtimes of GPUs do not work in forked processes once a parent has used them.
    """
    return device == "cpu"


def kill_group(process: int) -> None:
    """Kill a process and its process group, if they still run."""
    for kill in (os.kill, os.killpg):
        # No process is left or, in macOS's words, only dead ones.
        with suppress(ProcessLookupError, PermissionError):
            kill(process, signal.SIGKILL)


def kill_children() -> None:
    """Kill and reap all children of this process, adopted ones and their descendants included."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not reaped:
            for child in _children():
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.001)


def cause_of_death(status: int) -> str:
    """How a process ended, in words, from its exit code or, if negative, its signal."""
    if status >= 0:
        return f"exit code {status}"
    name = signal.Signals(-status).name
    return name + (", perhaps because memory ran out" if name == "SIGKILL" else "")


def _children() -> Iterator[int]:
    """The children of this process."""
    mine = str(os.getpid())
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # "pid (name) state parent ...", and the name may hold blanks and brackets.
            if place.read_text(errors="replace").rpartition(")")[2].split()[1] == mine:
                yield int(place.parent.name)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
