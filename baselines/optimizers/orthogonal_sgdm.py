"""Orthogonal-SGDM: every gradient is orthogonalized, and momentum comes after."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import SGD

from suite import Claim, optimizer, search

from .families.orthogonal import in_batches, polar


class OrthogonalSGDM(SGD):
    """Tuddenham et al. 2022, algorithm 1: SGD with momentum on orthogonalized gradients.

    g = U S V' -> U V' for matrices, and for filters as matrices (out, rest); vectors as they are.
    v <- b v + U V' + weight_decay w,  w <- w - lr v

    Deviates from the paper: directions in which a gradient is exactly 0, as in rows of an
    embedding that a batch does not use, stay 0, where the decomposition would give any.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(
            parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, foreach=True
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            gradients = [p.grad for p in group["params"] if p.grad is not None and p.ndim > 1]
            if gradients:
                torch._foreach_copy_(gradients, in_batches(gradients, polar))
        super().step()
        return loss


optimizer(
    "orthogonal_sgdm",
    OrthogonalSGDM,
    summary="SGD with momentum on gradients whose singular values are all 1.",
    paper="Tuddenham et al. 2022, Orthogonalising gradients to speed up neural network "
    "optimisation",
    url="https://arxiv.org/abs/2202.07052",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-2),
        "momentum": search.uniform(0.0, 0.99, default=0.9),
        "weight_decay": search.log_uniform(1e-5, 1e-2, default=5e-4),
    },
    claims=[
        Claim(
            says="Muon, which orthogonalizes after the momentum, is better than "
            "Orthogonal-SGDM, which does it before.",
            task="digits_batchnorm",
            method="orthogonal_sgdm",
            rival="muon",
            measure="score",
            expect="worse",
            number="the practical superiority of Muon compared to Orthogonal-SGDM; no number",
            place="abstract",
            source="Kovalev 2025, Understanding Gradient Orthogonalization for Deep Learning "
            "via Non-Euclidean Trust-Region Optimization, "
            "https://arxiv.org/abs/2503.12645",
        ),
        Claim(
            says="Orthogonalized gradients speed up SGD with momentum.",
            task="digits_batchnorm",
            method="orthogonal_sgdm",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="a large decrease in learning time on CIFAR-10 and ImageNet; no number",
            place="abstract",
        ),
    ],
)
