"""Interrupts that do not get lost.

Python raises KeyboardInterrupt wherever the main thread is just then. Foreign code may swallow it
there: C code that looks up a key clears any error. So a signal is remembered too, and loops that
wait ask whether there was one.
"""

from __future__ import annotations

import signal
from types import FrameType

_came = False


def catch(*, ignored: bool = False) -> None:
    """From now on SIGINT and SIGTERM raise KeyboardInterrupt, and are remembered.

    A shell script starts `suite run … &` with SIGINT ignored; that stays so unless `ignored`.
    """
    global _came
    _came = False
    for number in (signal.SIGINT, signal.SIGTERM):
        if ignored or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _handle)


def check() -> None:
    """Raise KeyboardInterrupt if a signal came since `catch`."""
    if _came:
        raise KeyboardInterrupt


def _handle(number: int, frame: FrameType | None) -> None:
    global _came
    _came = True
    raise KeyboardInterrupt
