"""Clipping by the global norm: a gradient longer than a bound is shortened to it."""

from __future__ import annotations

import torch
from torch import nn

from suite import Claim, Regularizer, regularizer, search


class GradClipNorm(Regularizer):
    """Pascanu et al. 2013, algorithm 1: g <- g max_norm / ||g|| if ||g|| > max_norm.

    The norm is that of all gradients together.

    Deviates from the paper: torch divides by ||g|| + 1e-6. The paper's bound is half to ten times
    the mean norm of the gradients; the default here is that of later language models.
    """

    def __init__(self, max_norm: float) -> None:
        self.max_norm = max_norm

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, self.max_norm)


regularizer(
    "grad_clip_norm",
    GradClipNorm,
    summary="Shortens gradients whose norm is above a bound.",
    paper="Pascanu et al. 2013, On the difficulty of training Recurrent Neural Networks",
    url="https://arxiv.org/abs/1211.5063",
    search={"max_norm": search.log_uniform(0.01, 10.0, default=1.0)},
    claims=[
        Claim(
            says="Clipped gradients converge faster than gradient descent.",
            task="lm_markov_short",
            method="sgd+grad_clip_norm",
            rival="sgd",
            measure="score",
            expect="better",
            number="proved: converges arbitrarily faster than gradient descent with fixed "
            "stepsize, under a relaxed smoothness; verified in popular neural networks",
            place="abstract",
            source="Zhang et al. 2020, Why Gradient Clipping Accelerates Training",
        ),
    ],
)
