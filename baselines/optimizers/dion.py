"""Dion: momentum orthogonalized in a subspace of low rank that a power iteration follows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, TaskInfo, optimizer, search

from .families.matrices import Decoupled, Group, exact, flat, with_adamw

MU = 0.95
EPS = 1e-8


class Dion(Decoupled):
    """Ahn et al. 2025, algorithm 1.

    m <- m + g,  P = orth(m Q) by QR,  R = m' P,  m <- m - (1 - mu) P R',
    Q <- columns of R, each divided by its length,
    w <- (1 - lr weight_decay) w - lr sqrt(rows / columns) P Q'
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        rank_fraction: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, rank_fraction=rank_fraction)
        for p in parameters:
            rows, columns = flat(p).shape
            rank = math.ceil(rank_fraction * min(rows, columns))
            start = torch.randn(columns, rank, generator=generator)  # on the CPU, as all draws
            self.state[p]["Q"] = start.to(exact(p.detach()))

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        steps = []
        for p, momentum in zip(parameters, self.averages("momentum", parameters), strict=True):
            momentum.add_(p.grad)
            state, m = self.state[p], exact(flat(momentum))
            left = torch.linalg.qr(m @ state["Q"]).Q
            right = m.mH @ left
            # Error feedback: what the subspace lacks stays whole.
            momentum.sub_((left @ right.mH).view_as(p), alpha=1 - MU)
            state["Q"] = right / (torch.linalg.vector_norm(right, dim=0, keepdim=True) + EPS)
            step = left @ state["Q"].mH * (m.shape[0] / m.shape[1]) ** 0.5
            steps.append(step.view_as(p).to(p.dtype))
        return steps


def build(
    parameters: list[nn.Parameter],
    lr: float,
    adamw_lr: float,
    weight_decay: float,
    rank_fraction: float,
    info: TaskInfo,
) -> Optimizer:
    """Dion for hidden matrices and filters, AdamW for the rest.

    Deviates from the paper: one machine, so that nothing is exchanged; a rate of its own for
    AdamW (the paper scales one rate by the shape of each parameter); plain QR.
    """
    return with_adamw(
        parameters,
        lambda matrices: Dion(matrices, lr, weight_decay, rank_fraction, info.generator),
        adamw_lr,
        weight_decay,
        eps=EPS,
    )


optimizer(
    "dion",
    build,
    summary="Low-rank orthonormal steps from a power iteration, with error feedback.",
    paper="Ahn et al. 2025, Dion: Distributed Orthonormalized Updates",
    url="https://arxiv.org/abs/2504.05295",
    search={
        "lr": search.log_uniform(1e-3, 1e-1, default=0.01),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=3e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "rank_fraction": search.choice(1.0, 0.5, 0.25, 0.125, default=0.5),
    },
    claims=[
        Claim(
            says="Dion converges faster than Adam.",
            task="lm_markov_short",
            method="dion",
            rival="adamw",
            measure="score",
            expect="better",
            number="models of 120 M to 3 B parameters; faster convergence than Adam and "
            "Muon, without a number",
            place="abstract of version 2 and Microsoft's page of the paper",
        ),
    ],
)
