"""Newton-CG: an approximate Newton step on the batch's loss, by conjugate gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Objective, optimizer, search

Vector = list[Tensor]


class NewtonCG(Optimizer):
    """Nocedal and Wright 2006, algorithm 7.1, on the batch's Hessian plus `damping` times I.

    Conjugate gradients on (H + damping I) d = -g stop when the residual is shorter than
    min(0.5, sqrt(||g||)) ||g||, at a direction of negative curvature (the step is then the sum so
    far, or the steepest descent at the first iteration), or after `iterations` products.

    Deviates from the paper: a fixed step length `lr` instead of the book's line search, since the
    loss of one batch says little about the next; damping, as in Martens 2010, "Deep Learning via
    Hessian-free Optimization".
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, damping: float, iterations: int
    ) -> None:
        super().__init__(params, {"lr": lr})
        self._damping = damping
        self._iterations = iterations

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 1 per example and 2 for each iteration of conjugate gradients."""
        with objective.hessian() as hessian:
            direction = self._direction(hessian)
            loss = hessian.loss
        steps = dict(zip(objective.parameters, direction, strict=True))
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(steps[p], alpha=group["lr"])
        return loss

    def _direction(self, hessian) -> Vector:
        residual = [g.clone() for g in hessian.gradients]
        descent = [-r for r in residual]
        total = [torch.zeros_like(r) for r in residual]
        squared = _dot(residual, residual)
        norm = squared**0.5
        tolerance = min(0.5, norm**0.5) * norm
        for iteration in range(self._iterations):
            if squared**0.5 <= tolerance:
                break
            product = hessian.product(descent)
            torch._foreach_add_(product, descent, alpha=self._damping)
            curvature = _dot(descent, product)
            if curvature <= 0:
                return total if iteration else descent
            length = squared / curvature
            torch._foreach_add_(total, descent, alpha=length)
            torch._foreach_add_(residual, product, alpha=length)
            before, squared = squared, _dot(residual, residual)
            torch._foreach_mul_(descent, squared / before)
            torch._foreach_sub_(descent, residual)
        return total


def _dot(a: Vector, b: Vector) -> float:
    return float(sum((x * y).sum() for x, y in zip(a, b, strict=True)))


optimizer(
    "newton_cg",
    NewtonCG,
    summary="Solves for the batch's Newton step by a few conjugate gradient iterations.",
    paper="Nocedal and Wright 2006, Numerical Optimization, 2nd edition, algorithm 7.1",
    url="https://doi.org/10.1007/978-0-387-40065-5",
    search={
        "lr": search.log_uniform(1e-3, 1.0, default=0.1),
        "damping": search.log_uniform(1e-3, 10.0, default=0.1),
        "iterations": search.integer(1, 10, default=3),
    },
)
