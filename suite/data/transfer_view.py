"""How a transfer is shown: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from suite.words import human_size

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINE_SECONDS = 10.0


class TransferView(Protocol):
    """Shows the progress of one transfer."""

    def at(self, done: int) -> None:
        """`done` bytes have arrived."""


@contextmanager
def make_transfer_view(label: str, done: int, total: int | None) -> Iterator[TransferView]:
    """A view of one transfer on standard error."""
    if not sys.stderr.isatty():
        lines = _Lines(label, total)
        try:
            yield lines
        finally:
            lines.end()
        return
    from rich import progress
    from rich.console import Console

    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bars:
        yield _Bar(bars, bars.add_task(label, completed=done, total=total))


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def at(self, done: int) -> None:
        self._bars.update(self._task, completed=done)


class _Lines:
    def __init__(self, label: str, total: int | None) -> None:
        self._label = label
        self._of = "" if total is None else f" of {human_size(total)}"
        self._done = 0
        self._said = time.monotonic()

    def at(self, done: int) -> None:
        self._done = done
        if time.monotonic() - self._said >= _LINE_SECONDS:
            self.end()

    def end(self) -> None:
        """Print how much has arrived."""
        self._said = time.monotonic()
        print(f"{self._label}: {human_size(self._done)}{self._of}", file=sys.stderr, flush=True)
