"""Schedules: the learning rate as a function of progress.

A schedule is a plain function `factor(progress, **hyperparameters)`. It multiplies every group's
own learning rate, so that optimizers with several rates keep their proportions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from suite.errors import NotApplicable


class LearningRateSchedule:
    """Applies a schedule function to an optimizer's groups before every step.

    Groups are looked up each time, because a method may replace them. If a method sets a rate
    itself, that rate counts as the rate at that moment, the schedule's factor included.
    """

    def __init__(self, factor: Callable[[float], float], optimizer: torch.optim.Optimizer) -> None:
        self._factor = factor
        self._optimizer = optimizer
        self._last = 1.0
        #: by the id of a group: the group, its rate without the schedule, and the rate set last
        self._groups: dict[int, tuple[dict[str, Any], Any, Any]] = {}
        if not any("lr" in group for group in optimizer.param_groups):
            raise NotApplicable(
                "the schedule cannot work: no parameter group of the optimizer has 'lr'"
            )

    def apply(self, progress: float) -> None:
        """Set the learning rates for `progress` in [0, 1)."""
        factor = self._factor(progress)
        for group in self._optimizer.param_groups:
            if "lr" in group:
                initial = self._initial(group)
                group["lr"] = initial * factor
                self._groups[id(group)] = group, initial, group["lr"]
        self._last = factor

    def _initial(self, group: dict[str, Any]) -> Any:
        """A group's learning rate without the schedule."""
        known = self._groups.get(id(group))
        if known is not None and known[2] is group["lr"]:
            return known[1]
        return group["lr"] / self._last if self._last not in (0.0, 1.0) else group["lr"]
