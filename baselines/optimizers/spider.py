"""SPIDER: an estimate of the gradient that follows the weights by differences on one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, optimizer, search

from .families.tensors import norm


class SPIDER(Optimizer):
    """Chen et al. 2023, algorithm 2; Fang et al. 2018.

    Every `period`-th step, beginning with the first, v is the mean gradient of `period` batches;
    in the others, v <- v + g(w) - g(w') with both gradients on one batch and w' the weights before
    the last step. Then w <- w - lr v / ||v||, with the norm of all weights as one vector.

    Deviates from the paper: batch and period are in the ratio of the theorems, |S1| = q |S2|, and
    S2 is the task's batch.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, period: int) -> None:
        super().__init__(params, {"lr": lr, "period": period, "count": 0})

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs `period` or 2 per example."""
        first = self.param_groups[0]
        if first["count"] % first["period"] == 0:
            loss = self._refresh(objective, first["period"])
        else:
            loss = self._follow(objective)
        first["count"] += 1
        estimates = [self.state[p]["estimate"] for p in self._moved()]
        if not estimates:
            return loss
        length = norm(estimates)
        length = torch.where(length > 0, length, 1.0)
        for group in self.param_groups:
            for p in group["params"]:
                if "estimate" in self.state[p]:
                    self.state[p]["before"] = p.clone()
                    p.sub_(self.state[p]["estimate"] * (group["lr"] / length).to(p.dtype))
        return loss

    def _refresh(self, objective: Objective, batches: int) -> Tensor:
        """v is the mean over several batches."""
        loss = objective() / batches
        means = {p: p.grad / batches for p in self._all() if p.grad is not None}
        for _ in range(batches - 1):
            objective.next_batch()
            loss = loss + objective() / batches
            for p, mean in means.items():
                mean.add_(p.grad, alpha=1 / batches)
        for p, mean in means.items():
            self.state[p]["estimate"] = mean
        return loss

    def _follow(self, objective: Objective) -> Tensor:
        """v changes by the difference of two gradients of the same batch."""
        moved = list(self._moved())
        now = [p.clone() for p in moved]
        for p in moved:
            p.copy_(self.state[p]["before"])
        objective()
        for p, weight in zip(moved, now, strict=True):
            self.state[p]["estimate"].sub_(p.grad)
            p.copy_(weight)
        loss = objective()  # last, so that `.grad` is that at the weights
        for p in moved:
            self.state[p]["estimate"].add_(p.grad)
        return loss

    def _all(self) -> list[nn.Parameter]:
        return [p for group in self.param_groups for p in group["params"]]

    def _moved(self) -> list[nn.Parameter]:
        return [p for p in self._all() if "estimate" in self.state[p]]


optimizer(
    "spider",
    SPIDER,
    summary="Normalized steps along a gradient whose variance is reduced by differences.",
    paper="Chen et al. 2023, Generalized-Smooth Nonconvex Optimization is As Efficient As Smooth "
    "Nonconvex Optimization",
    url="https://arxiv.org/abs/2303.02854",
    search={
        "lr": search.log_uniform(1e-3, 3.0, default=0.1),
        "period": search.integer(2, 20, default=5),
    },
    claims=[
        Claim(
            says="SPIDER needs fewer samples than methods without variance reduction, which "
            "need O(1 / eps^4).",
            task="single_index",
            rival="normalized_sgd_momentum",
            measure="score",
            expect="better",
            number="the optimal O(1 / eps^3) samples to a gradient of length eps",
            place="abstract",
        ),
    ],
)
