"""Muon with steps as long as AdamW's, so that one learning rate serves all parameters."""

from __future__ import annotations

from torch import nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.matrices import with_adamw
from .families.orthogonal import Muon


def like_adamw(rows: int, columns: int) -> float:
    """Gives an orthogonal matrix a root mean square of 0.2, which is that of AdamW's steps."""
    return 0.2 * max(rows, columns) ** 0.5


def build(parameters: list[nn.Parameter], lr: float, weight_decay: float) -> Optimizer:
    """Liu et al. 2025, equations 3 and 4 and algorithm 1, for hidden matrices and filters.

    w <- w - lr (0.2 sqrt(max(rows, columns)) NewtonSchulz5(momentum) + weight_decay w)

    with Nesterov's momentum of 0.95; AdamW, with betas of 0.9 and 0.95, trains the rest at the
    same rate.

    Deviates from the paper: momentum is an average, not a sum (the factor between them goes with
    the normalization before Newton-Schulz); on a CPU, and below 128 rows,
    matrices are not rounded to bfloat16.
    """
    return with_adamw(
        parameters,
        lambda matrices: Muon(matrices, lr, weight_decay, scale=like_adamw),
        lr,
        weight_decay,
        eps=1e-8,
    )


optimizer(
    "muon_moonlight",
    build,
    summary="Muon whose steps have the root mean square of AdamW's, with one rate for everything.",
    paper="Liu et al. 2025, Muon is Scalable for LLM Training",
    url="https://arxiv.org/abs/2502.16982",
    search={
        "lr": search.log_uniform(1e-4, 3e-2, default=2e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=0.1),
    },
    claims=[
        Claim(
            says="Muon reaches AdamW's loss with about half of its training compute.",
            task="lm_markov_short",
            method="muon_moonlight",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=2.0,
            number="about 2 times the computational efficiency of AdamW with "
            "compute-optimal training, scaling laws of language models",
            place="abstract",
        ),
    ],
)
