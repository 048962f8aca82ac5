"""The clock of a trial: separate times for training and evaluation, device synchronized."""

from __future__ import annotations

import time

import torch


class Clock:
    """Seconds of training and of evaluation; start-up counts as neither."""

    def __init__(self, device: str) -> None:
        self.training = 0.0
        self.evaluation = 0.0
        self._device = device
        self._since: float | None = None
        self._paused = 0.0

    def start(self) -> None:
        """Training begins."""
        self._since = self._now()

    def stop(self) -> None:
        """Training ends."""
        if self._since is not None:
            self.training += self._now() - self._since
            self._since = None

    def pause(self) -> None:
        """Pause training while the suite evaluates, until `resume`."""
        self._paused = now = self._now()
        if self._since is not None:
            self.training += now - self._since

    def resume(self) -> None:
        """Evaluation ends and training resumes."""
        self._since = now = self._now()
        self.evaluation += now - self._paused

    def _now(self) -> float:
        synchronize(self._device)
        return time.perf_counter()


def synchronize(device: str) -> None:
    """Wait until the device has finished all its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
