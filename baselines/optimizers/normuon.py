"""NorMuon: Muon whose rows are given the same length on average."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.matrices import Group, flat, with_adamw
from .families.orthogonal import Muon, aspect, nesterov, orthogonalized

BETA2 = 0.95
EPS = 1e-10


class NorMuon(Muon):
    """Li et al. 2025, algorithm 1, as in the authors' code.

    o = NewtonSchulz5(momentum),  v <- b2 v + (1 - b2) mean of o^2 over each row,
    u = o / sqrt(v),  w <- (1 - lr weight_decay) w - lr sqrt(max(1, rows / columns)) ||o|| u / ||u||
    """

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        beta = group["momentum"]
        averages = self.momentum(parameters, beta, name="momentum_buffer")
        steps = orthogonalized(nesterov(parameters, averages, beta))
        for p, step in zip(parameters, steps, strict=True):
            matrix = flat(step)  # shares its memory
            squares = matrix.abs().square().mean(1, keepdim=True)
            state = self.state[p]
            if "row_squares" not in state:
                state["row_squares"] = torch.zeros_like(squares)
            state["row_squares"].lerp_(squares, 1 - BETA2)
            length = torch.linalg.vector_norm(matrix)
            matrix.div_(state["row_squares"].sqrt() + EPS)
            matrix.mul_(length / (torch.linalg.vector_norm(matrix) + EPS))
            matrix.mul_(aspect(*matrix.shape))
        return steps


def build(
    parameters: list[nn.Parameter], lr: float, adamw_lr: float, weight_decay: float
) -> Optimizer:
    """NorMuon for hidden matrices and filters, AdamW for the rest.

    Deviates from the paper: the step keeps the length of the orthogonal matrix and Jordan's factor,
    as in the authors' code (the paper's algorithm gives it a root mean square of 0.2); rows of a
    filter are its outputs, while the code normalizes along the last axis of the kernel; a weight
    decay of 0.01 by default; on a CPU, and below 128 rows, matrices are not rounded
    to bfloat16.
    """
    return with_adamw(
        parameters, lambda matrices: NorMuon(matrices, lr, weight_decay), adamw_lr, weight_decay
    )


optimizer(
    "normuon",
    build,
    summary="Muon with an adaptive rate for each row of the orthogonalized momentum.",
    paper="Li et al. 2025, NorMuon: Making Muon more efficient and scalable",
    url="https://arxiv.org/abs/2510.05491",
    search={
        "lr": search.log_uniform(1e-3, 1e-1, default=0.02),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=3e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
    },
    claims=[
        Claim(
            says="NorMuon trains language models more efficiently than Muon.",
            task="lm_markov_short",
            method="normuon",
            rival="muon",
            measure="time_to_target",
            expect="better",
            factor=1.113,
            number="11.31 % better training efficiency than Muon, pretraining at 1.1 B",
            place="abstract",
        ),
        Claim(
            says="NorMuon trains language models more efficiently than Adam.",
            task="lm_markov_short",
            method="normuon",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=1.217,
            number="21.74 % better training efficiency than Adam, pretraining at 1.1 B",
            place="abstract",
        ),
    ],
)
