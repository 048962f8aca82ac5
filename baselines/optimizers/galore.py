"""GaLore: Adam in the leading singular vectors of each matrix's gradient."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.low_rank import leading, rank_of, shaped_as, wide_gradient
from .families.matrices import Decoupled, Group, adam_direction, with_adamw

BETAS = (0.9, 0.999)
EPS = 1e-8
#: the paper's alpha
SCALE = 0.25


class GaLore(Decoupled):
    """Zhao et al. 2024, algorithm 2.

    Every `interval` steps: P <- the r leading left singular vectors of g (right ones of a tall
    matrix). Then r = P' g, n = Adam's direction for r, w <- w - lr 0.25 P n.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        rank: float,
        interval: int,
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, rank=rank, interval=interval)

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        steps = []
        for p in parameters:
            state, g = self.state[p], wide_gradient(p)
            if state.get("steps", 0) % group["interval"] == 0:
                state["P"] = leading(g, rank_of(g, group["rank"]))
            n = adam_direction(state, state["P"].mH @ g, BETAS, EPS)
            steps.append(shaped_as(p, SCALE * state["P"] @ n))
        return steps


def build(
    parameters: list[nn.Parameter], lr: float, weight_decay: float, rank: float, interval: int
) -> Optimizer:
    """GaLore for hidden matrices and filters, AdamW at the same rate for the rest.

    GaLore 2 (Su et al. 2025) has the same update; it computes P by a randomized decomposition.

    Deviates from the paper: the rank is a share of the smaller side; filters are matrices (out,
    rest); a new subspace every 50 steps by default instead of 200, for runs of few steps; singular
    vectors have their largest entry positive; Adam's epsilon is 1e-8, the authors' code has 1e-6.
    """
    return with_adamw(
        parameters,
        lambda matrices: GaLore(matrices, lr, weight_decay, rank, interval),
        lr,
        weight_decay,
        betas=BETAS,
        eps=EPS,
    )


optimizer(
    "galore",
    build,
    summary="Adam on gradients projected to their leading singular vectors.",
    paper="Zhao et al. 2024, GaLore: Memory-Efficient LLM Training by Gradient Low-Rank Projection",
    url="https://arxiv.org/abs/2403.03507",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-2),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "rank": search.choice(0.125, 0.25, 0.5, default=0.25),
        "interval": search.choice(10, 50, 200, default=50),
    },
    claims=[
        Claim(
            says="GaLore trains a language model as well as Adam, with less memory.",
            task="lm_markov_short",
            method="galore",
            rival="adamw",
            measure="score",
            expect="equal",
            number="65.5 % less memory of the optimizer at the same performance, LLaMA of "
            "1 B and 7 B parameters on C4",
            place="abstract",
        ),
    ],
)
