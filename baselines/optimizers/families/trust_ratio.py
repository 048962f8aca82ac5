"""Steps as long as a share of the tensor's own norm: LARS and its relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .tensors import evaluated


def length_of(tensor: Tensor) -> Tensor:
    """The Euclidean norm, in single precision at least."""
    if tensor.dtype in (torch.bfloat16, torch.float16):
        return torch.linalg.vector_norm(tensor, dtype=torch.float32)
    return torch.linalg.vector_norm(tensor)


def ratio(size: Tensor, length: Tensor, otherwise: float) -> Tensor:
    """The norm of a weight divided by another length; `otherwise` where one of the two is 0.

    A tensor that begins at zero, as biases do, would never move by the ratio.
    """
    usable = (size > 0) & (length > 0)
    return torch.where(usable, size / torch.where(usable, length, 1.0), otherwise)


class LayerwiseSGD(Optimizer):
    """LARS: v <- momentum v + lr factor(t) r (g + weight_decay w), w <- w - v, for every tensor.

    r = trust ||w|| / (||g|| + weight_decay ||w||), and `trust` where that is 0 or undefined.
    `factor` of the number of the step, from 0, is 1 in LARS itself.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        momentum: float,
        weight_decay: float,
        trust: float,
        factor: Callable[[int], float] = lambda step: 1.0,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(params, {**defaults, "step": 0})
        self._factor = factor

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._move(group, parameters)
            group["step"] += 1
        return loss

    def _move(self, group: dict[str, Any], parameters: list[nn.Parameter]) -> None:
        decay = group["weight_decay"]
        rate = group["lr"] * self._factor(group["step"]) * group["trust"]
        # All ratios at once: small operations cost as much as passes over a small tensor.
        sizes = torch.stack([length_of(p) for p in parameters])
        lengths = torch.stack([length_of(p.grad) for p in parameters]).add_(sizes, alpha=decay)
        shares = ratio(sizes, lengths, otherwise=1.0).unbind()
        for p, share in zip(parameters, shares, strict=True):
            state, share = self.state[p], share.to(p.dtype)
            if not state:
                state["velocity"] = torch.zeros_like(p)
            velocity = state["velocity"].mul_(group["momentum"])
            velocity.addcmul_(p.grad, share, value=rate)
            if decay:
                velocity.addcmul_(p, share, value=rate * decay)
            p.sub_(velocity)
