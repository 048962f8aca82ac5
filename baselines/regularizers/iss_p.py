"""ISS-P: small weights are shrunk a little in every step, and pruned in the end."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import NotApplicable, Objective, Regularizer, regularizer, search

from .families.weights import has_unit_rows

#: what small weights are multiplied by in a step; the authors' `ist_ratio`
RATIO = 0.95


class ISSP(Regularizer):
    """Wang et al. 2023, iterative soft shrinkage by a percentage.

    After every step of the first part (until the share `until` of the budget), the `sparsity`
    smallest weights of each layer by magnitude are multiplied by 0.95: they are chosen anew in
    each step, and may grow again. Then the smallest are set to zero, and stay zero to the end.

    Deviates from the paper: the two parts share one learning-rate schedule; all linear and
    convolutional layers but the output layer are pruned, where the authors leave out their
    networks' tail.
    """

    def __init__(self, sparsity: float, until: float) -> None:
        self.sparsity = sparsity
        self.until = until
        self._masks: list[Tensor] = []

    def start(self, model: nn.Module, objective: Objective) -> None:
        chosen = [p for p in objective.parameters if has_unit_rows(p) and p.role != "head"]
        if not chosen:
            raise NotApplicable("ISS-P prunes hidden layers, and the model has none")
        self._weights = chosen

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self.progress < self.until:
            for p in self._weights:
                p[self._small(p)] *= RATIO
            return
        if not self._masks:
            self._masks = [self._small(p) for p in self._weights]
        for p, mask in zip(self._weights, self._masks, strict=True):
            p[mask] = 0

    def _small(self, p: Tensor) -> Tensor:
        """Where the smallest weights are."""
        count = int(self.sparsity * p.numel())
        order = p.abs().flatten().argsort(stable=True)
        small = torch.zeros_like(order, dtype=torch.bool)
        small[order[:count]] = True
        return small.view_as(p)


regularizer(
    "iss_p",
    ISSP,
    summary="Shrinks the smallest weights in every step, and prunes them in the end.",
    paper="Wang et al. 2023, Iterative Soft Shrinkage Learning for Efficient Image "
    "Super-Resolution",
    url="https://arxiv.org/abs/2303.09650",
    search={
        "sparsity": search.uniform(0.0, 0.99, default=0.9),
        "until": search.uniform(0.1, 0.9, default=0.5),
    },
)
