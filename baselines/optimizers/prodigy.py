"""Prodigy: pytorch-optimizer's, with every hyperparameter given."""

from pytorch_optimizer import Prodigy
from torch import nn

from suite import Claim, optimizer, search

from .families.loops import at_once
from .families.one_rate import OneRate


class ProdigyOfOneRate(OneRate, Prodigy):
    """Refuses groups of several rates, which the library gives the first group's."""


def build(params: list[nn.Parameter], lr: float, weight_decay: float, d_coef: float) -> Prodigy:
    """Mishchenko and Defazio 2024, algorithm 4 (Prodigy for Adam).

    With d the estimate of the distance to the solution, 1e-6 at first, and b = sqrt(0.999):
    m <- 0.9 m + 0.1 d g, v <- 0.999 v + 0.001 d^2 g^2, r <- b r + lr d^2 <g, w_0 - w>,
    s <- b s + lr d^2 g, w <- w - lr d (m / (sqrt(v) + 1e-8 d) + weight_decay w), and the next step
    has d <- max(d, d_coef r / ||s||_1).

    Deviates from the paper: r and s have no factor 1 - b, which cancels, and are multiples of
    d / d_0, as in the authors' code; the decay is decoupled, as there.
    """
    return ProdigyOfOneRate(
        params,
        lr=lr,
        betas=(0.9, 0.999),
        beta3=None,
        d0=1e-6,
        d_coef=d_coef,
        growth_rate=float("inf"),
        weight_decay=weight_decay,
        weight_decouple=True,
        fixed_decay=False,
        bias_correction=False,
        safeguard_warmup=False,
        eps=1e-8,
        maximize=False,
        foreach=at_once(params),
    )


optimizer(
    "prodigy",
    build,
    summary="Adam that estimates its own rate from the distance to the start.",
    paper="Mishchenko and Defazio 2024, Prodigy: An Expeditiously Adaptive Parameter-Free Learner",
    url="https://arxiv.org/abs/2306.06101",
    search={
        "lr": search.log_uniform(0.1, 10.0, default=1.0),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "d_coef": search.log_uniform(0.1, 10.0, default=1.0),
    },
    claims=[
        Claim(
            says="Prodigy is consistently better than D-Adaptation.",
            task="cifar10_mini",
            rival="dadapt_adam",
            measure="score",
            expect="better",
            number="VGG-11 and ResNet-50 on CIFAR-10, among others; no number in the abstract",
            place="abstract",
        ),
        Claim(
            says="Prodigy is consistently better than D-Adaptation.",
            task="lm_markov_short",
            rival="dadapt_adam",
            measure="score",
            expect="better",
            number="GPT on BookWiki, among others; no number in the abstract",
            place="abstract",
        ),
        Claim(
            says="Without a rate to tune, Prodigy is close to hand-tuned Adam.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="equal",
            number="test accuracy close to that of hand-tuned Adam; GPT on BookWiki, among "
            "others; no number",
            place="abstract",
        ),
    ],
)
