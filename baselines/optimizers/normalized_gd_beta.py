"""beta-normalized gradient descent: the gradient divided by a power of its norm."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.tensors import evaluated, norm, trained


class NormalizedGD(Optimizer):
    """Chen et al. 2023, algorithm 1: w <- w - lr g / ||g||^beta.

    The norm is that of all weights as one vector. With beta = 0 it is gradient descent, with
    beta = 1 normalized gradient descent.

    Deviates from the paper: gradients are those of batches; the paper's algorithm for batches is
    SPIDER.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, beta: float) -> None:
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        gradients = [p.grad for p, _, _ in trained(self)]
        if not gradients:
            return loss
        length = norm(gradients)
        length = torch.where(length > 0, length, 1.0)  # no step of a gradient that is 0
        for p, group, _ in trained(self):
            p.sub_(p.grad * (group["lr"] / length ** group["beta"]).to(p.dtype))
        return loss


optimizer(
    "normalized_gd_beta",
    NormalizedGD,
    summary="Descent along the gradient divided by a power of its norm.",
    paper="Chen et al. 2023, Generalized-Smooth Nonconvex Optimization is As Efficient As Smooth "
    "Nonconvex Optimization",
    url="https://arxiv.org/abs/2303.02854",
    search={
        "lr": search.log_uniform(1e-3, 3.0, default=0.1),
        "beta": search.uniform(0.0, 1.0, default=2 / 3),
    },
    claims=[
        Claim(
            says="On polynomials of high order, whose curvature grows with the gradient, "
            "normalized descent needs as few steps as descent on smooth functions.",
            task="hierarchical_polynomial_short",
            rival="sgd",
            measure="score",
            expect="better",
            number="the optimal O(1 / eps^2) iterations to a gradient of length eps, under "
            "generalized smoothness",
            place="abstract",
        ),
    ],
)
