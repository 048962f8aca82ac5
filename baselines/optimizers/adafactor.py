"""Adafactor: pytorch-optimizer's, with every hyperparameter given: its defaults may change."""

from __future__ import annotations

import torch
from pytorch_optimizer import AdaFactor
from torch import nn

from suite import Claim, optimizer, search

#: from so many weights on, the loop over tensors is faster on a CPU
LOOP_FROM = 2**21


class BoundedRate(AdaFactor):
    """The rate is at most 1 / sqrt(t): the library has that for a rate of 0.01 only."""

    @staticmethod
    def get_relative_step_size(
        lr: float, step: int, relative_step: bool, warmup_init: bool
    ) -> float:
        return min(lr, step**-0.5)


def adafactor(parameters: list[nn.Parameter], lr: float, clip: float) -> AdaFactor:
    """Shazeer and Stern 2018, algorithms 4 and 5: a second moment of row and column means.

    For a matrix, R and C are averages of the row and column means of g^2 with decay 1 - t^-0.8, and
    V = R C' / mean(R); for a vector, V is the average of g^2 itself. U = g / sqrt(V) is divided by
    max(1, rms(U) / clip), and w <- w - max(1e-3, rms(w)) * min(lr, 1 / sqrt(t)) * U.

    1e-30 is added to g^2.

    Deviates from the paper: filters are factored along their last two dimensions. The paper's
    warm-up is a schedule here.
    """
    return BoundedRate(
        parameters,
        lr=lr,
        betas=(None, 1 - 1e-9),  # no momentum, no bound of the decay
        decay_rate=-0.8,
        weight_decay=0.0,
        weight_decouple=True,
        fixed_decay=False,
        clip_threshold=clip,
        ams_bound=False,
        scale_parameter=True,
        relative_step=False,
        warmup_init=False,
        eps1=1e-30,
        eps2=1e-3,
        momentum_dtype=torch.float32,
        # All tensors at once: it has many small operations for each, which larger tensors outweigh.
        foreach=sum(p.numel() for p in parameters) < LOOP_FROM,
        maximize=False,
    )


optimizer(
    "adafactor",
    adafactor,
    summary="Adam without momentum, whose second moment of a matrix is that of rows and columns.",
    paper="Shazeer and Stern 2018, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
    url="https://arxiv.org/abs/1804.04235",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=1e-2),
        "clip": search.choice(1.0, 2.0, default=1.0),
    },
    claims=[
        Claim(
            says="Adafactor trains a transformer to the results of Adam with little memory.",
            task="lm_markov_short",
            rival="adam",
            measure="score",
            expect="equal",
            number="WMT 2014 English to German: comparable to the published Adam regime; "
            "no number in the abstract",
            place="abstract",
        ),
    ],
)
