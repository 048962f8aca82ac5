"""Schedules: the learning rate as a function of progress.

A schedule is a plain function `factor(progress, **hyperparameters)`. It multiplies every group's
own learning rate, so that optimizers with several rates keep their proportions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


class LearningRateSchedule:
    """Applies a schedule function to an optimizer's groups before every step."""

    def __init__(self, factor: Callable[[float], float], optimizer: torch.optim.Optimizer) -> None:
        self._factor = factor
        self._groups = [(group, group["lr"]) for group in optimizer.param_groups]

    def apply(self, progress: float) -> None:
        """Set the learning rates for `progress` in [0, 1)."""
        factor = self._factor(progress)
        for group, rate in self._groups:
            group["lr"] = rate * factor
