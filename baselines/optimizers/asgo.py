"""ASGO: momentum multiplied by the inverse root of averaged products G G', on one side."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.kronecker import inverse_root
from .families.matrices import Decoupled, Group, exact, flat, with_adamw

BETAS = (0.9, 0.8)
EPS = 1e-10


class ASGO(Decoupled):
    """An et al. 2025, the practical form of algorithm 1, as in the authors' code.

    m <- b1 m + (1 - b1) g,  V <- b2 V + (1 - b2) g g' (g' g for a tall matrix),
    u = V^(-1/2) m (m V^(-1/2)),
    w <- (1 - lr weight_decay) w - lr 0.2 sqrt(rows columns) u / ||u||_F
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay)

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        beta1, beta2 = BETAS
        steps = []
        for p, momentum in zip(
            parameters, self.momentum(parameters, beta1, name="momentum"), strict=True
        ):
            g, m = exact(flat(p.grad)), exact(flat(momentum))
            wide = g.shape[0] < g.shape[1]
            product = g @ g.mH if wide else g.mH @ g
            average = self.state[p].setdefault("V", torch.zeros_like(product))
            average.lerp_(product, 1 - beta2)
            root = inverse_root(average, 2, EPS)
            u = root @ m if wide else m @ root
            u.mul_(0.2 * u.numel() ** 0.5 / (torch.linalg.vector_norm(u) + 1e-30))
            steps.append(u.view_as(p).to(p.dtype))
        return steps


def build(
    parameters: list[nn.Parameter], lr: float, adamw_lr: float, weight_decay: float
) -> Optimizer:
    """ASGO for hidden matrices and filters, AdamW for the rest.

    Deviates from the paper: the root comes from an eigendecomposition instead of the polynomial
    iteration Polar Express, and eigenvalues below rounding count as rounding; all heads of
    attention are one matrix. From algorithm 1, not from the code: averages instead of sums, and a
    step whose root mean square is 0.2.
    """
    return with_adamw(
        parameters, lambda matrices: ASGO(matrices, lr, weight_decay), adamw_lr, weight_decay
    )


optimizer(
    "asgo",
    build,
    summary="Momentum preconditioned on the smaller side by the root of averaged squares.",
    paper="An et al. 2025, ASGO: Adaptive Structured Gradient Optimization",
    url="https://arxiv.org/abs/2503.20762",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-2),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=0.1),
    },
    claims=[
        Claim(
            says="ASGO matches or surpasses Muon on language models.",
            task="lm_markov_short",
            method="asgo",
            rival="muon",
            measure="score",
            expect="not_worse",
            number="matches or surpasses AdamW, Shampoo and Muon in pretraining GPT-2; no "
            "number seen",
            place="experiments, as a summary of the paper reports them",
        ),
    ],
)
