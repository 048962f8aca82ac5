"""Wasserstein regularization: the distribution of each tensor's weights stays the initial one."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, Objective, regularizer, search

from .families.weights import WeightPenalty


class WassersteinRegularization(WeightPenalty):
    """Lewandowski et al. 2024: strength times the sum of (w_(i) - w0_(i))^2 over each tensor.

    w_(i) and w0_(i) are the i-th smallest of the present and of the initial weights: the squared
    2-Wasserstein distance of the two samples, times their size. Weights may change places freely.

    Deviates from the paper: nothing.
    """

    def start(self, model: nn.Module, objective: Objective) -> None:
        super().start(model, objective)
        weights = dict(model.named_parameters())
        self._sorted = {n: weights[n].detach().flatten().sort().values for n in self._names}

    def _term(self, name: str, w: Tensor) -> Tensor:
        return (w.flatten().sort().values - self._sorted[name]).square().sum()


regularizer(
    "wasserstein_reg",
    WassersteinRegularization,
    summary="Holds the sorted weights of each tensor near the sorted initial ones.",
    paper="Lewandowski et al. 2024, Learning Continually by Spectral Regularization (version 1)",
    url="https://arxiv.org/abs/2406.06811v1",
    search={"strength": search.log_uniform(1e-5, 1e-1, default=1e-3)},
    claims=[
        Claim(
            says="Towards the initial distribution, the penalty is less restrictive than towards "
            "the initial weights, and continual learning is better.",
            task="random_label_memory",
            method="adamw+wasserstein_reg",
            rival="adamw+l2_init",
            measure="score",
            expect="better",
            number="no number in the abstract: less restrictive than regularizing towards initial "
            "weights, can improve continual learning across supervised tasks",
            place="abstract of version 1",
        ),
    ],
)
