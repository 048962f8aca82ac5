"""DoG: the rate is the distance from the start over the length of all gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from .tensors import evaluated, norm

EPSILON = 1e-8
#: the power of the weights' average; the paper's gamma
GAMMA = 8


class DistanceOverGradients(Optimizer):
    """Ivgi et al. 2023: w <- w - lr r / sqrt(G) g, for each group by itself.

    r is the largest distance that the group's weights have had from their start x, and
    `first` (1 + ||x||) before; G is the sum of the squared norms of all gradients, plus 1e-8.
    Evaluated is the average a <- (1 - (1 + gamma) / (t + gamma)) a + (1 + gamma) / (t + gamma) w
    over the steps t = 1, 2, ...
    """

    def __init__(self, params: list[dict[str, Any]], lr: float, first: float) -> None:
        super().__init__(params, {"lr": lr, "first": first, "count": 0, "averaged": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if not moved:
                continue
            for p in moved:
                if not self.state[p]:
                    self.state[p] = {"start": p.clone(), "average": p.clone()}
            if group["count"] == 0:
                group["distance"] = group["first"] * (1 + norm(moved))
                group["squares"] = EPSILON + norm(p.grad for p in moved) ** 2
            else:
                distance = norm(p - self.state[p]["start"] for p in moved)
                group["distance"] = torch.maximum(group["distance"], distance)
                group["squares"] = group["squares"] + norm(p.grad for p in moved) ** 2
            group["count"] += 1
            rate = group["lr"] * group["distance"] / group["squares"].sqrt()
            share = (1 + GAMMA) / (group["count"] + GAMMA)
            for p in moved:
                p.sub_(p.grad * rate.to(p.dtype))
                self.state[p]["average"].lerp_(p, share)
        return loss

    def train(self) -> None:
        """Back to the weights to train with."""
        self._switch(False)

    def eval(self) -> None:
        """To the averaged weights."""
        self._switch(True)

    @torch.no_grad()
    def _switch(self, averaged: bool) -> None:
        for group in self.param_groups:
            if group["averaged"] == averaged:
                continue
            group["averaged"] = averaged
            for p in group["params"]:
                if "average" in self.state[p]:
                    kept = p.clone()
                    p.copy_(self.state[p]["average"])
                    self.state[p]["average"].copy_(kept)
