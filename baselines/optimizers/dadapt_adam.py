"""D-Adaptation for Adam: pytorch-optimizer's, with every hyperparameter given."""

from pytorch_optimizer import DAdaptAdam
from torch import nn

from suite import Claim, optimizer, search

from .families.loops import at_once
from .families.one_rate import OneRate


class DAdaptAdamOfOneRate(OneRate, DAdaptAdam):
    """Refuses groups of several rates, which the library gives the first group's."""


def build(params: list[nn.Parameter], lr: float, weight_decay: float) -> DAdaptAdam:
    """Defazio and Mishchenko 2023, algorithm 5 (D-Adapt Adam).

    With d the estimate of the distance to the solution, 1e-6 at first, b = sqrt(0.999) and
    a = lr d: r <- b r + (1 - b) a <g, s / (sqrt(v) + 1e-8)>, m <- 0.9 m + 0.1 a g,
    v <- 0.999 v + 0.001 g^2, s <- b s + (1 - b) a g,
    w <- w - m / (sqrt(v) + 1e-8) - a weight_decay w, and the next step has
    d <- max(d, r / ((1 - b) ||s||_1)).

    Deviates from the paper: the inner product has the v of the step before, as in the authors'
    code; the decay is decoupled, which the authors' code has as an option.
    """
    return DAdaptAdamOfOneRate(
        params,
        lr=lr,
        betas=(0.9, 0.999),
        d0=1e-6,
        growth_rate=float("inf"),
        weight_decay=weight_decay,
        weight_decouple=True,
        fixed_decay=False,
        bias_correction=False,
        eps=1e-8,
        maximize=False,
        foreach=at_once(params),
    )


optimizer(
    "dadapt_adam",
    build,
    summary="Adam whose rate grows with a lower bound of the distance to the solution.",
    paper="Defazio and Mishchenko 2023, Learning-Rate-Free Learning by D-Adaptation",
    url="https://arxiv.org/abs/2301.07733",
    search={
        "lr": search.log_uniform(0.1, 10.0, default=1.0),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
    },
    claims=[
        Claim(
            says="Without a rate to tune, D-Adaptation matches hand-tuned rates.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="equal",
            number="matches hand-tuned rates on more than a dozen problems, large-scale "
            "vision and language among them",
            place="abstract",
        ),
    ],
)
