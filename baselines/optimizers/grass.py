"""GrassWalk and GrassJump: Adam in subspaces drawn at random, and the rest of the gradient too."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, TaskInfo, optimizer, search

from .families.low_rank import leading, limited, rank_of, shaped_as, wide_gradient
from .families.matrices import Decoupled, Group, adam_direction, finite, with_adamw

BETAS = (0.9, 0.999)
EPS = 1e-8
#: as in GaLore
SCALE = 0.25
#: share of the smaller side
RANK = 0.25
#: the largest angle of a walk's step, in radians
ANGLE = 0.5


class Grass(Decoupled):
    """Rajabi et al. 2025, with the parts that it has from SubTrack++ and LDAdam.

    S has orthonormal columns; at first they are the leading left singular vectors of g. Every
    `interval` steps

        jump:  S <- Q of QR of normal draws
        walk:  (I - S S') Z = U D V' for normal draws Z,  S <- (S V cos(a D) + U sin(a D)) V'

    and Adam's averages turn with it: with R = S_new' S_old and hats for corrected averages,
    m <- R m,  v <- (1 - b2^t) |R^2 (v^ - m^^2) + (R m^)^2|  (squares by entry).
    Then r = S' g, n = Adam's direction for r, and the rest of the gradient is recovered,

        d = (g - S r) with column j times ||n_j|| / ||r_j||,  ||d|| growing by at most 1 % a step,
        w <- (1 - lr weight_decay) w - lr 0.25 (S n + d).

    Deviates from the paper: written from memory of it and of SubTrack++; the angle a makes the
    largest one 0.5; rank a quarter of the smaller side; a subspace for 50 steps by default.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        subspace: str,
        interval: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            parameters, lr=lr, weight_decay=weight_decay, subspace=subspace, interval=interval
        )
        self._generator = generator

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        return [self._direction(group, p) for p in parameters]

    def _direction(self, group: Group, p: nn.Parameter) -> Tensor:
        state, g = self.state[p], wide_gradient(p)
        if "S" not in state:
            state["S"] = leading(g, rank_of(g, RANK))
        elif state["steps"] % group["interval"] == 0:
            drawn = torch.randn(
                state["S"].shape, generator=self._generator, dtype=torch.float64
            ).to(g)
            new = _jump(drawn) if group["subspace"] == "jump" else _walk(state["S"], drawn)
            _turn(state, new.mH @ state["S"])
            state["S"] = new
        basis = state["S"]
        r = basis.mH @ g
        n = adam_direction(state, r, BETAS, EPS)
        share = torch.linalg.vector_norm(n, dim=0) / (torch.linalg.vector_norm(r, dim=0) + EPS)
        rest = limited(state, (g - basis @ r) * share)
        return shaped_as(p, SCALE * (basis @ n + rest))


def _jump(drawn: Tensor) -> Tensor:
    return torch.linalg.qr(drawn).Q


def _walk(basis: Tensor, drawn: Tensor) -> Tensor:
    """A geodesic on the Grassmannian, in a random direction."""
    u, d, vh = torch.linalg.svd(finite(drawn - basis @ (basis.mH @ drawn)), full_matrices=False)
    angles = ANGLE * d / d[0].clamp(min=1e-30)
    return (basis @ vh.mH * angles.cos() + u * angles.sin()) @ vh


def _turn(state: Group, rotation: Tensor) -> None:
    """Adam's averages as they would be in the new subspace."""
    beta1, beta2 = BETAS
    weight1, weight2 = 1 - beta1 ** state["steps"], 1 - beta2 ** state["steps"]
    mean, square = state["m"] / weight1, state["v"] / weight2
    turned = rotation @ mean
    variance = rotation.abs().square() @ (square - mean.abs().square())
    state["m"] = turned * weight1
    state["v"] = (variance + turned.abs().square()).abs() * weight2


def build(
    parameters: list[nn.Parameter],
    lr: float,
    weight_decay: float,
    subspace: str,
    interval: int,
    info: TaskInfo,
) -> Optimizer:
    """Grass for hidden matrices and filters, AdamW at the same rate for the rest."""
    return with_adamw(
        parameters,
        lambda matrices: Grass(matrices, lr, weight_decay, subspace, interval, info.generator),
        lr,
        weight_decay,
        betas=BETAS,
        eps=EPS,
    )


optimizer(
    "grass",
    build,
    summary="Adam in random low-rank subspaces, with the rest of the gradient scaled alike.",
    paper="Rajabi et al. 2025, Randomized Gradient Subspaces for Efficient Large Language Model "
    "Training",
    url="https://arxiv.org/abs/2510.01878",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-2),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "subspace": search.choice("jump", "walk", default="jump"),
        "interval": search.choice(10, 50, 200, default=50),
    },
    claims=[
        Claim(
            says="Random subspaces with recovery are better than GaLore's singular vectors.",
            task="lm_markov_short",
            method="grass",
            rival="galore",
            measure="score",
            expect="better",
            number="less memory than other low-rank methods and better performance, LLaMA "
            "of 1 B and 7 B parameters; no number in the abstract",
            place="abstract",
        ),
    ],
)
