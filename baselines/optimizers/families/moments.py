"""What optimizers with moments of every weight share: the loop over tensors, and the averages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .tensors import evaluated, trained

State = dict[str, Any]
Group = dict[str, Any]


class TensorByTensor(Optimizer):
    """Treats each tensor by itself: w <- w - lr * (direction + weight_decay * w).

    A subclass says what the direction is. `state["step"]` counts the steps of a tensor from 1.
    Other keywords are the constants of the rule; they are entries of each group.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float = 0.0, **constants: Any
    ) -> None:
        # Hooks of the update leave the decay alone.
        decay = {"weight_decay": weight_decay, "decoupled_weight_decay": True}
        super().__init__(parameters, {"lr": lr, **decay, **constants})

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        """The step without the learning rate, towards a higher loss."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        for p, group, state in trained(self):
            state["step"] = state.get("step", 0) + 1
            w, g = p, p.grad
            if p.is_complex():  # two real numbers, as in torch's optimizers
                w, g = torch.view_as_real(p), torch.view_as_real(g)
            self.move(w, self.direction(w, g, state, group), group)
        return loss

    def move(self, p: Tensor, direction: Tensor, group: Group) -> None:
        """Decay, then the step."""
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(direction, alpha=-group["lr"])


def average(state: State, name: str, value: Tensor, beta: float) -> Tensor:
    """m <- beta m + (1 - beta) value, from 0; what is returned is the state's own tensor."""
    if name not in state:
        state[name] = torch.zeros_like(value)
    return state[name].lerp_(value, 1 - beta)
