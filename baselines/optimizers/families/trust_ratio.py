"""Steps as long as a share of the tensor's own norm: LARS and its relatives."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .tensors import evaluated, norm, trained


def ratio(weight: Tensor, length: Tensor, otherwise: float) -> Tensor:
    """The norm of a weight divided by `length`; `otherwise` where one of the two is 0.

    A tensor that begins at zero, as biases do, would never move by the ratio.
    """
    size = norm([weight])
    usable = (size > 0) & (length > 0)
    return torch.where(usable, size / torch.where(usable, length, 1.0), otherwise).to(weight.dtype)


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
        for p, group, state in trained(self):
            if not state:
                state["velocity"] = torch.zeros_like(p)
            decay = group["weight_decay"]
            length = norm([p.grad]) + decay * norm([p])
            rate = group["lr"] * self._factor(group["step"]) * group["trust"]
            step = p.grad.add(p, alpha=decay).mul_(rate * ratio(p, length, otherwise=1.0))
            p.sub_(state["velocity"].mul_(group["momentum"]).add_(step))
        for group in self.param_groups:
            group["step"] += 1
        return loss
