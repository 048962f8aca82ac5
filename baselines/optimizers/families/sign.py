"""Lion's scheme: momentum and gradient are mixed twice, and the step is a subgradient of a norm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .tensors import evaluated, norm, trained

#: from the mixed gradients of all tensors, which stay as they are, to the directions that the
#: weights go against; one after the other if possible, while a tensor is in the cache
Direction = Callable[[Iterable[Tensor]], Iterable[Tensor]]


class Interpolated(Optimizer):
    """Lion-K: u = b1 m + (1 - b1) g, w <- w - lr (direction(u) + weight_decay w).

    Then m <- b2 m + (1 - b2) g. With b1 = b2, u is the new momentum: signSGD with momentum has the
    direction `signs`, normalized SGD with momentum `unit`.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        betas: tuple[float, float],
        direction: Direction,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay}
        # Hooks of the update leave the decay alone.
        super().__init__(params, {**defaults, "decoupled_weight_decay": True})
        self._direction = direction

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        directions = self._direction(self._mixed())
        for (p, group, _), direction in zip(trained(self), directions, strict=True):
            if group["weight_decay"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(direction, alpha=-group["lr"])
        return loss

    def _mixed(self) -> Iterator[Tensor]:
        """u of each tensor, whose momentum goes on."""
        for p, group, state in trained(self):
            if not state:
                state["momentum"] = torch.zeros_like(p)
            beta1, beta2 = group["betas"]
            if beta1 != beta2:
                u = state["momentum"].lerp(p.grad, 1 - beta1)
                state["momentum"].lerp_(p.grad, 1 - beta2)
                yield u
            else:
                yield state["momentum"].lerp_(p.grad, 1 - beta2)


def signs(mixed: Iterable[Tensor]) -> Iterator[Tensor]:
    """The subgradient of the sum of absolute values."""
    return (u.sign() for u in mixed)


def unit(mixed: Iterable[Tensor]) -> Iterable[Tensor]:
    """The subgradient of the Euclidean norm of all tensors as one vector; 0 at 0."""
    mixed = list(mixed)
    if not mixed:
        return []
    length = norm(mixed)
    scale = torch.where(length > 0, 1 / length, 0.0)
    return [u * scale.to(u.dtype) for u in mixed]
