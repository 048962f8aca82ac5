"""Spectral regularization: the largest singular value of each matrix is kept near one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from suite import Claim, Objective, TaskInfo, regularizer, search

from .families.weights import WeightPenalty

K = 2
#: power iterations before the first step; one follows after each step
FIRST_ITERATIONS = 10


class SpectralRegularization(WeightPenalty):
    """Lewandowski et al. 2025: strength times a sum over layers, with k = 2.

    (sigma^k - 1)^2 for each matrix or kernel (rows are filters) with the largest singular value
    sigma, ||b||^(2k) for each bias, and the sum of (g - 1)^2 for each scale g of a normalization.
    sigma is u'Wv for vectors of a power iteration, of which one step is taken after each step of
    the optimizer; its gradient is u v'.

    Deviates from the paper: nothing that is known; its text could not be read in full here, and
    the term of normalizations is from memory. Iterations continue from the last vectors.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        self._generator = info.generator

    @torch.no_grad()
    def start(self, model: nn.Module, objective: Objective) -> None:
        super().start(model, objective)
        weights = dict(model.named_parameters())
        self._scales = {n for n in self._names if weights[n].role == "norm" and "bias" not in n}
        #: u and v of each matrix
        self._vectors: dict[str, tuple[Tensor, Tensor]] = {}
        for name in self._names:
            w = weights[name]
            if w.ndim > 1:
                v = torch.randn(w[0].numel(), generator=self._generator).to(w)
                self._vectors[name] = (v, v)
                self._iterate(name, w, FIRST_ITERATIONS)

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        weights = dict(model.named_parameters())
        for name in self._vectors:
            self._iterate(name, weights[name], 1)

    def _iterate(self, name: str, w: Tensor, times: int) -> None:
        matrix, (_, v) = w.flatten(1), self._vectors[name]
        for _ in range(times):
            u = normalize(matrix @ v, dim=0)
            v = normalize(matrix.T @ u, dim=0)
        self._vectors[name] = (u, v)

    def _term(self, name: str, w: Tensor) -> Tensor:
        if name in self._vectors:
            u, v = self._vectors[name]
            return ((u @ w.flatten(1) @ v) ** K - 1).square()
        if name in self._scales:
            return (w - 1).square().sum()
        return w.square().sum() ** K


regularizer(
    "spectral_reg",
    SpectralRegularization,
    summary="Keeps the largest singular value of each weight matrix near one.",
    paper="Lewandowski et al. 2025, Learning Continually by Spectral Regularization",
    url="https://arxiv.org/abs/2406.06811",
    search={"strength": search.log_uniform(1e-6, 1e-1, default=1e-4)},
    claims=[
        Claim(
            says="Spectral regularization sustains trainability as new tasks arrive.",
            task="random_label_memory",
            method="adamw+spectral_reg",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: sustains trainability and performance across "
            "architectures, supervised and reinforcement learning",
            place="abstract",
        ),
        Claim(
            says="It sustains trainability better than other regularizers.",
            task="random_label_memory",
            method="adamw+spectral_reg",
            rival="adamw+l2_init",
            measure="score",
            expect="better",
            number="no number in the abstract: less sensitive to hyperparameters, better training "
            "in single tasks, trainability sustained as new tasks arrive",
            place="abstract",
        ),
    ],
)
