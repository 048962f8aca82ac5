"""L2 with weight perturbation: shrink and perturb in every step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, Objective, TaskInfo, regularizer, search

from .families.weights import WeightPenalty


class L2WeightPerturbation(WeightPenalty):
    """Dohare et al. 2024: L2 regularization, and Gaussian noise on all weights after each step.

    strength / 2 times the sum of w^2 is in the loss, and w <- w + N(0, noise^2) follows each step
    of the optimizer. As in the authors' code the noise is the same for all tensors and is not
    multiplied by the learning rate.

    Deviates from the paper: nothing.
    """

    def __init__(self, strength: float, noise: float) -> None:
        super().__init__(strength)
        self.noise = noise

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        self._generator = info.generator

    def start(self, model: nn.Module, objective: Objective) -> None:
        super().start(model, objective)
        self._parameters = objective.parameters

    def _term(self, name: str, w: Tensor) -> Tensor:
        return w.square().sum() / 2

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self.noise:
            for p in self._parameters:
                p.add_(torch.randn(p.shape, generator=self._generator).to(p), alpha=self.noise)


regularizer(
    "l2_weight_perturbation",
    L2WeightPerturbation,
    summary="L2 regularization, and a little Gaussian noise on all weights after every step.",
    paper="Dohare et al. 2024, Loss of Plasticity in Deep Continual Learning",
    url="https://doi.org/10.1038/s41586-024-07711-7",
    search={
        "strength": search.log_uniform(1e-6, 1e-2, default=1e-4),
        "noise": search.log_uniform(1e-6, 1e-2, default=1e-4),
    },
    claims=[
        Claim(
            says="L2 regularization with weight perturbation eases loss of plasticity.",
            task="permuted_digits_short",
            method="sgd+l2_weight_perturbation",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: loss of plasticity is substantially eased; on "
            "online permuted MNIST Shrink and Perturb has almost no drop in accuracy over "
            "time",
            place="abstract of arXiv:2306.13812; Nature, extended data figure 4",
        ),
        Claim(
            says="It eases it more than L2 regularization alone.",
            task="permuted_digits_short",
            method="sgd+l2_weight_perturbation",
            rival="sgd+l2",
            measure="score",
            expect="better",
            number="no number in the abstract: eased by L2 regularization, particularly when "
            "combined with weight perturbation",
            place="abstract of arXiv:2306.13812",
        ),
    ],
)
