"""Several optimizers as one: each trains its own parameters, all of them in the same step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Combined(torch.optim.Optimizer):
    """Steps several optimizers on one evaluation of the loss.

    For methods that treat parameters by role, such as Muon for matrices and AdamW for the rest.
    A torch optimizer refuses to be built without parameters: pass only those that have any.
    Groups and state are shared with the parts, so that a schedule or a regularizer that changes
    them here changes them there.
    """

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.optimizers = optimizers
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        super().__init__([dict(group) for group in groups], {})  # checks for shared parameters
        self.param_groups = groups
        for optimizer in optimizers:
            self.state.update(optimizer.state)
            optimizer.state = self.state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One evaluation of the closure, then one step of every part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load groups and state, which are then shared with the parts as before."""
        super().load_state_dict(state_dict)
        groups = iter(self.param_groups)
        for optimizer in self.optimizers:
            optimizer.param_groups = [next(groups) for _ in optimizer.param_groups]
            optimizer.state = self.state

    def train(self) -> None:
        """Switch to the weights to train with, in the parts that have two kinds."""
        self._switch("train")

    def eval(self) -> None:
        """Switch to the weights to evaluate with, in the parts that have two kinds."""
        self._switch("eval")

    def _switch(self, mode: str) -> None:
        for optimizer in self.optimizers:
            switch = getattr(optimizer, mode, None)
            if callable(switch):
                switch()
