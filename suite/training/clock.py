"""The clock of a trial: separate times for training and evaluation, device synchronized."""

from __future__ import annotations

import time

import torch


class Clock:
    """Seconds of training and of evaluation; start-up counts as neither."""

    def __init__(self, device: str) -> None:
        self.training = 0.0
        self.evaluation = 0.0
        #: seconds of training as `busy_seconds` counts them: other work on the machine is not in it
        self.busy = 0.0
        self._device = device
        self._since: float | None = None
        self._busy_since = 0.0
        self._paused = 0.0

    def start(self) -> None:
        """Training begins."""
        self._begin(self._now())

    def stop(self) -> None:
        """Training ends."""
        self._end(self._now())
        self._since = None

    def pause(self) -> None:
        """Pause training while the suite evaluates, until `resume`."""
        self._paused = self._now()
        self._end(self._paused)

    def resume(self) -> None:
        """Evaluation ends and training resumes."""
        now = self._now()
        self.evaluation += now - self._paused
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._since = now
        self._busy_since = busy_seconds(self._device)

    def _end(self, now: float) -> None:
        if self._since is not None:
            self.training += now - self._since
            self.busy += busy_seconds(self._device) - self._busy_since

    def _now(self) -> float:
        synchronize(self._device)
        return time.perf_counter()


def busy_seconds(device: str) -> float:
    """The time of which differences say how much work was done; the device must be synchronized.

    On a CPU the seconds of its cores that this process used, so that other processes change
    little. Nothing counts those of a GPU: there it is the clock.
    """
    return time.process_time() if device == "cpu" else time.perf_counter()


def synchronize(device: str) -> None:
    """Wait until the device has finished all its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
