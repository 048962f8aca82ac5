"""Several optimizers as one: each trains its own parameters, all of them in the same step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Combined(torch.optim.Optimizer):
    """Steps several optimizers on one evaluation of the loss.

    For methods that treat parameters by role, such as Muon for matrices and AdamW for the rest.
    Optimizers without parameters are left out before they are built: pass only those that have any.
    """

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.optimizers = optimizers
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        super().__init__([dict(group) for group in groups], {})
        # The groups are shared, not copied: a schedule that changes one changes the part's own.
        self.param_groups = groups

    def step(self, closure: Callable[[], Tensor] | None = None) -> Any:
        """One evaluation of the closure, then one step of every part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss
