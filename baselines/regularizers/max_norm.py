"""Max-norm: the incoming weights of each unit are kept within a ball."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Objective, Regularizer, regularizer, search

from .families.weights import has_unit_rows, row_norms


class MaxNorm(Regularizer):
    """Srivastava et al. 2014, section 5.1: ||w|| <= radius for the incoming weights of each unit.

    After every step, w is projected onto the ball where it has left it. Rows of all linear and
    convolutional layers; biases and embeddings are free.

    Deviates from the paper: nothing; the output layer is constrained as well.
    """

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._weights = [p for p in objective.parameters if has_unit_rows(p)]
        if not self._weights:
            raise NotApplicable("max-norm needs a linear or convolutional layer")

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for p in self._weights:
            _project(p, self.radius)


def _project(p: Tensor, radius: float) -> None:
    norms = row_norms(p)
    # Rows within the ball are multiplied by exactly 1.
    p.mul_(torch.where(norms > radius, radius / norms, torch.ones_like(norms)))


regularizer(
    "max_norm",
    MaxNorm,
    summary="Projects the incoming weights of each unit onto a ball after every step.",
    paper="Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from "
    "Overfitting",
    url="https://jmlr.org/papers/v15/srivastava14a.html",
    search={"radius": search.log_uniform(0.3, 10.0, default=3.0)},
    claims=[
        Claim(
            says="Dropout with max-norm generalizes better than with L2, L1 or KL penalties.",
            task="noisy_labels_short",
            method="adamw+dropout+max_norm",
            rival="adamw+dropout+l2",
            measure="score",
            expect="better",
            number="MNIST, one architecture: 1.05 % error with dropout and max-norm, 1.25 % with "
            "dropout and L2",
            place="the paper",
            from_memory=True,
        ),
    ],
)
