"""FRUGAL: Adam for a part of each matrix that changes now and then, signs for the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, TaskInfo, optimizer, search

from .families.matrices import Decoupled, Group, adam_direction, exact, flat, with_adamw

BETAS = (0.9, 0.999)
EPS = 1e-8


class Frugal(Decoupled):
    """Zmushko et al. 2024, algorithms 1 and 4: columns, AdamW and signSGD.

    Every `interval` steps a share `density` of a matrix's columns is drawn and Adam begins anew.
    u = Adam's direction in the columns drawn, sign(g) in the others,
    w <- (1 - lr weight_decay) w - lr u.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        density: float,
        interval: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            parameters, lr=lr, weight_decay=weight_decay, density=density, interval=interval
        )
        self._generator = generator

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        steps = []
        for p in parameters:
            state, g = self.state[p], exact(flat(p.grad))
            if state.get("steps", 0) % group["interval"] == 0:
                order = torch.randperm(g.shape[1], generator=self._generator)
                kept = order[: max(1, round(group["density"] * g.shape[1]))]
                state.clear()
                state["columns"] = kept.tolist()  # as a tensor, loading would make it floating
            u = g.sgn()
            columns = state["columns"]
            u[:, columns] = adam_direction(state, g[:, columns], BETAS, EPS)
            steps.append(u.view_as(p).to(p.dtype))
        return steps


def build(
    parameters: list[nn.Parameter],
    lr: float,
    weight_decay: float,
    density: float,
    interval: int,
    info: TaskInfo,
) -> Optimizer:
    """FRUGAL for hidden matrices and filters, AdamW at the same rate for the rest.

    Deviates from the paper: columns of each matrix where the paper's main results draw blocks of
    whole layers (both are in it and in the authors' code); filters are matrices (out, rest); new
    columns every 50 steps by default instead of 200, for runs of few steps.
    """
    return with_adamw(
        parameters,
        lambda matrices: Frugal(matrices, lr, weight_decay, density, interval, info.generator),
        lr,
        weight_decay,
        betas=BETAS,
        eps=EPS,
    )


optimizer(
    "frugal",
    build,
    summary="AdamW in randomly drawn columns of each matrix and signSGD in the others.",
    paper="Zmushko et al. 2024, FRUGAL: Memory-Efficient Optimization by Reducing State Overhead "
    "for Scalable Training",
    url="https://arxiv.org/abs/2411.07837",
    search={
        "lr": search.log_uniform(1e-4, 3e-2, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "density": search.uniform(0.0, 1.0, default=0.25),
        "interval": search.choice(10, 50, 200, default=50),
    },
    claims=[
        Claim(
            says="FRUGAL is better than GaLore with the same memory.",
            task="lm_markov_short",
            method="frugal",
            rival="galore",
            measure="score",
            expect="better",
            number="consistently outperforms concurrent approaches at fixed memory "
            "budgets, GaLore named among them; no number in the abstract",
            place="abstract",
        ),
    ],
)
