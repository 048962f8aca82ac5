"""Late dropout: no dropout in the first part of training, then dropout until the end."""

from __future__ import annotations

from suite import Claim, regularizer, search

from .families.dropout import ActivationDropout


class LateDropout(ActivationDropout):
    """Liu et al. 2023, section 5: dropout after every activation from the share `start` on.

    Off for the first 50 of 300 epochs in the paper, then at a constant rate.

    Deviates from the paper: the rate of 0.1 is that of its early and standard dropout; late
    dropout is mostly shown there with stochastic depth, which drops whole residual branches.
    """

    def __init__(self, rate: float, start: float) -> None:
        self.rate = rate
        self.start_at = start

    @property
    def current_rate(self) -> float:
        return self.rate if self.progress >= self.start_at else 0.0


regularizer(
    "late_dropout",
    LateDropout,
    summary="Drops activations from a certain part of training on.",
    paper="Liu et al. 2023, Dropout Reduces Underfitting",
    url="https://arxiv.org/abs/2303.01500",
    search={
        "rate": search.uniform(0.0, 0.8, default=0.1),
        "start": search.uniform(0.05, 0.9, default=50 / 300),
    },
    claims=[
        Claim(
            says="Where models overfit, late dropout generalizes better than dropout throughout.",
            task="lm_data_constrained_short",
            method="adamw+late_dropout",
            rival="adamw+dropout",
            measure="score",
            expect="better",
            number="ImageNet, accuracy with standard and with late stochastic depth: ViT-B 81.6 "
            "and 82.3 %, Mixer-B 78.0 and 78.6 %",
            place="README of facebookresearch/dropout",
        ),
    ],
)
