"""The stochastic non-Euclidean trust-region gradient method with momentum, in three norms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.matrices import Decoupled, Group
from .families.orthogonal import orthogonalized

EPS = 1e-12


class TrustRegion(Decoupled):
    """Kovalev 2025, algorithm 1.

    m <- (1 - a) m + a g, beginning with the first g,
    w <- argmin of <m, x> over ||x - w|| <= lr,  after w <- (1 - lr weight_decay) w

    spectral:   the largest spectral norm of a matrix: w - lr U V' (Muon); vectors are columns
    euclidean:  the norm of all weights together: w - lr m / ||m|| (normalized SGD)
    max:        the largest entry: w - lr sign(m) (signSGD)

    Deviates from the paper: U V' is that of five quintic steps, as in Muon; filters are matrices
    (out, rest).
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        alpha: float,
        norm: str,
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, alpha=alpha, norm=norm)

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        for p in parameters:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = p.grad.clone()
        averages = self.momentum(parameters, 1 - group["alpha"], name="momentum")
        if group["norm"] == "max":
            return [m.sgn() for m in averages]
        if group["norm"] == "euclidean":
            length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(averages)))
            return list(torch._foreach_div(averages, length + EPS))
        steps = [m / (torch.linalg.vector_norm(m) + EPS) if m.ndim < 2 else m for m in averages]
        matrices = [i for i, m in enumerate(averages) if m.ndim > 1]
        for i, step in zip(matrices, orthogonalized([steps[i] for i in matrices]), strict=True):
            steps[i] = step
        return steps


optimizer(
    "ne_trust_region",
    TrustRegion,
    summary="Momentum and a step to the best point of a ball in a chosen norm.",
    paper="Kovalev 2025, Understanding Gradient Orthogonalization for Deep Learning via "
    "Non-Euclidean Trust-Region Optimization",
    url="https://arxiv.org/abs/2503.12645",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=0.02),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "alpha": search.log_uniform(1e-2, 1.0, default=0.1),
        "norm": search.choice("spectral", "euclidean", "max", default="spectral"),
    },
    claims=[
        Claim(
            says="In the spectral norm the method is Muon, which is better than Orthogonal-SGDM.",
            task="digits_batchnorm",
            method="ne_trust_region",
            rival="orthogonal_sgdm",
            measure="score",
            expect="better",
            number="the practical superiority of Muon compared to Orthogonal-SGDM; no number",
            place="abstract",
        ),
    ],
)
