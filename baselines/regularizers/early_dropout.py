"""Early dropout: dropout in the first part of training only."""

from __future__ import annotations

from suite import Claim, regularizer, search

from .families.dropout import ActivationDropout


class EarlyDropout(ActivationDropout):
    """Liu et al. 2023, section 4: dropout after every activation until the share `until`.

    In the paper's default the rate falls linearly to zero (`shape` "linear"), over 50 of 300
    epochs; "constant" is its ablation.

    Deviates from the paper: dropout is after activation modules only; the paper's transformers
    have it after attention's and the second linear layer's outputs, too.
    """

    def __init__(self, rate: float, until: float, shape: str) -> None:
        self.rate = rate
        self.until = until
        self.shape = shape

    @property
    def current_rate(self) -> float:
        if self.progress >= self.until:
            return 0.0
        return self.rate * (1 - self.progress / self.until if self.shape == "linear" else 1.0)


regularizer(
    "early_dropout",
    EarlyDropout,
    summary="Drops activations during the first part of training, then no more.",
    paper="Liu et al. 2023, Dropout Reduces Underfitting",
    url="https://arxiv.org/abs/2303.01500",
    search={
        "rate": search.uniform(0.01, 0.5, default=0.1),
        "until": search.uniform(0.05, 0.5, default=50 / 300),
        "shape": search.choice("linear", "constant", default="linear"),
    },
    claims=[
        Claim(
            says="Dropout throughout harms a model that underfits; early dropout does not.",
            task="lm_markov_short",
            method="adamw+early_dropout",
            rival="adamw+dropout",
            measure="score",
            expect="better",
            number="ViT-T on ImageNet: 67.9 % with dropout, 74.3 % with early dropout",
            place="README of facebookresearch/dropout",
        ),
        Claim(
            says="Dropout at the beginning only improves models that underfit.",
            task="lm_markov_short",
            method="adamw+early_dropout",
            rival="adamw",
            measure="score",
            expect="better",
            number="ViT-T on ImageNet: 73.9 % without dropout, 74.3 % with early dropout; a "
            "lower final training loss",
            place="abstract; README of facebookresearch/dropout",
        ),
    ],
)
