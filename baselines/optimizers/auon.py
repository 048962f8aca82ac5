"""AuON: momentum of unit norm, divided by the root mean square of its hyperbolic cosine."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.matrices import Decoupled, Group, flat, with_adamw
from .families.orthogonal import aspect, nesterov, orthogonalized

MOMENTUM = 0.95


class AuON(Decoupled):
    """Maity 2025.

    m <- b m + (1 - b) g,  n = b m + (1 - b) g,  u = n / ||n||_F,
    w <- (1 - lr weight_decay) w - lr sqrt(max(1, rows / columns)) u / rms(cosh(u))

    The hybrid form takes one step of Newton-Schulz from n before it is divided by its norm.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, hybrid: bool
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, hybrid=hybrid)

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        averages = self.momentum(parameters, MOMENTUM, name="momentum")
        steps = nesterov(parameters, averages, MOMENTUM)
        if group["hybrid"]:
            steps = orthogonalized(steps, steps=1)
        for step in steps:
            step.div_(torch.linalg.vector_norm(step) + 1e-7)
            step.div_(step.cosh().abs().square().mean().sqrt() + 1e-8)
            step.mul_(aspect(*flat(step).shape))
        return steps


def build(
    parameters: list[nn.Parameter],
    lr: float,
    adamw_lr: float,
    weight_decay: float,
    hybrid: bool,
) -> Optimizer:
    """AuON or Hybrid-AuON for hidden matrices and filters, AdamW for the rest.

    Deviates from the paper: a weight decay of 0.01 by default. From the author's code, of which
    there are several states: the latest divides n itself by rms(cosh(1.5 u)), so that its steps
    are as long as the gradient, and its hybrid takes five steps of Newton-Schulz.
    """
    return with_adamw(
        parameters,
        lambda matrices: AuON(matrices, lr, weight_decay, hybrid),
        adamw_lr,
        weight_decay,
    )


optimizer(
    "auon",
    build,
    summary="Normalized momentum scaled by a hyperbolic cosine instead of being orthogonalized.",
    paper="Maity 2025, AuON: A Linear-time Alternative to Semi-Orthogonal Momentum Updates",
    url="https://arxiv.org/abs/2509.24320",
    search={
        "lr": search.log_uniform(1e-3, 1.0, default=0.08),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=3e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "hybrid": search.choice(False, True, default=False),
    },
    claims=[
        Claim(
            says="AuON and its hybrid are comparable to Muon.",
            task="digits_batchnorm",
            method="auon",
            rival="muon",
            measure="score",
            expect="equal",
            number="comparable to AdamW and Muon on vision and language; no number in the abstract",
            place="abstract of version 1",
        ),
    ],
)
