"""APOLLO: SGD whose channels are scaled as Adam scales them in a random subspace."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, TaskInfo, optimizer, search

from .families.low_rank import limited, rank_of, shaped_as, wide_gradient
from .families.matrices import Decoupled, Group, adam_direction, with_adamw

BETAS = (0.9, 0.999)
EPS = 1e-8
#: rank as a share of the smaller side, for scales of channels
RANK = 0.25
#: the alpha of APOLLO-Mini
MINI = 128**0.5


class APOLLO(Decoupled):
    """Zhu et al. 2024, algorithm 1.

    Every `interval` steps: P <- r x m entries of N(0, 1 / r), m the smaller side. Then r = P g,
    n = Adam's direction for r, and u = g s, where s is for each channel j (the larger side)
    ||n_j|| / ||r_j||, or for the tensor ||n|| / ||r|| with r = 1 (APOLLO-Mini).
    ||u|| grows by at most 1 % a step.  w <- (1 - lr weight_decay) w - lr alpha u, alpha = 1, or
    sqrt(128) for the tensor's scale.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        scaling: str,
        interval: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            parameters, lr=lr, weight_decay=weight_decay, scaling=scaling, interval=interval
        )
        self._generator = generator

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        by_channel, steps = group["scaling"] == "channel", []
        for p in parameters:
            state, g = self.state[p], wide_gradient(p)
            if state.get("steps", 0) % group["interval"] == 0:
                rank = rank_of(g, RANK) if by_channel else 1
                drawn = torch.randn(rank, len(g), generator=self._generator, dtype=torch.float64)
                state["P"] = (drawn / rank**0.5).to(g)
            r = state["P"] @ g
            n = adam_direction(state, r, BETAS, EPS)
            dim = 0 if by_channel else (0, 1)
            u = g * (_length(n, dim) / (_length(r, dim) + EPS))
            steps.append(shaped_as(p, limited(state, u) * (1.0 if by_channel else MINI)))
        return steps


def _length(tensor: Tensor, dim: int | tuple[int, int]) -> Tensor:
    return torch.linalg.vector_norm(tensor, dim=dim, keepdim=True)


def build(
    parameters: list[nn.Parameter],
    lr: float,
    weight_decay: float,
    scaling: str,
    interval: int,
    info: TaskInfo,
) -> Optimizer:
    """APOLLO for hidden matrices and filters, AdamW at the same rate for the rest.

    Deviates from the paper: the rank is a quarter of the smaller side; filters are matrices (out,
    rest); a new projection every 50 steps by default instead of 200, for runs of few steps; a
    step whose gradient is 0 ends the growth of those after it.
    """
    return with_adamw(
        parameters,
        lambda matrices: APOLLO(matrices, lr, weight_decay, scaling, interval, info.generator),
        lr,
        weight_decay,
        betas=BETAS,
        eps=EPS,
    )


optimizer(
    "apollo",
    build,
    summary="Gradients scaled by channel or tensor with factors from Adam in a random subspace.",
    paper="Zhu et al. 2024, APOLLO: SGD-like Memory, AdamW-level Performance",
    url="https://arxiv.org/abs/2412.05270",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-2),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "scaling": search.choice("channel", "tensor", default="channel"),
        "interval": search.choice(10, 50, 200, default=50),
    },
    claims=[
        Claim(
            says="APOLLO trains a language model at least as well as AdamW.",
            task="lm_markov_short",
            method="apollo",
            rival="adamw",
            measure="score",
            expect="better",
            number="performs on par with or better than AdamW; no loss in the abstract",
            place="abstract",
        ),
        Claim(
            says="APOLLO trains a language model better than GaLore.",
            task="lm_markov_short",
            method="apollo",
            rival="galore",
            measure="score",
            expect="better",
            number="lower perplexity than GaLore in pretraining LLaMA on C4",
            place="the paper",
            from_memory=True,
        ),
    ],
)
