"""Frozen polarity: weights keep the signs with which they began."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import NotApplicable, Objective, Regularizer, regularizer, search


class FrozenPolarity(Regularizer):
    """Wang et al. 2023, Freeze-SGD, around any optimizer.

    After each step, a weight whose sign is not the one that it began with is set to `magnitude`,
    with that sign. Weights are the entries of matrices and filters; those that begin at 0 are free.

    Deviates from the paper: the polarities are those of the initialization, the paper's control of
    random polarities; a network trained before, whose polarities would be adequate, does not exist
    here. Only the abstract could be read: the rule is from memory, and `magnitude` is a choice.
    """

    def __init__(self, magnitude: float) -> None:
        self.magnitude = magnitude
        self._signs: dict[nn.Parameter, Tensor] = {}

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._signs = {p: p.detach().sign() for p in objective.parameters if p.ndim >= 2}
        if not self._signs:
            raise NotApplicable("frozen polarity is for matrices and filters: there are none")

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for p, sign in self._signs.items():
            flipped = (p * sign <= 0) & (sign != 0)
            p.copy_(torch.where(flipped, sign * self.magnitude, p))


regularizer(
    "frozen_polarity",
    FrozenPolarity,
    summary="Weights keep the signs with which they began.",
    paper="Wang et al. 2023, Polarity is all you need to learn and transfer faster",
    url="https://arxiv.org/abs/2303.17589",
    search={"magnitude": search.log_uniform(1e-6, 1e-2, default=1e-4)},
)
