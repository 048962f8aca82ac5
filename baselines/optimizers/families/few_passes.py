"""Adam's denominator and the average of squares in few passes over memory.

On tensors that no cache holds, the time of a step is that of the passes and of new memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .moments import State


def average_of_squares(state: State, name: str, value: Tensor, beta: float) -> Tensor:
    """v <- beta v + (1 - beta) value^2, from 0; what is returned is the state's own tensor."""
    if name not in state:
        state[name] = torch.zeros_like(value)
    return state[name].mul_(beta).addcmul_(value, value, value=1 - beta)


def root(v: Tensor, beta: float, step: int, eps: float, times: float = 1.0) -> Tensor:
    """times (sqrt(v / (1 - beta^step)) + eps), a new tensor.

    `times` is for what the numerator is to be divided by: with 1 - b1^t, m / root is Adam's step.
    """
    found = v.sqrt()
    scale = times / (1 - beta**step) ** 0.5
    return torch.add(found.new_tensor(times * eps), found, alpha=scale, out=found)


def adam_step(m: Tensor, v: Tensor, betas: tuple[float, float], eps: float, step: int) -> Tensor:
    """Adam's direction: m / (1 - b1^t), divided by sqrt(v / (1 - b2^t)) + eps."""
    denominator = root(v, betas[1], step, eps, times=1 - betas[0] ** step)
    return torch.div(m, denominator, out=denominator)
