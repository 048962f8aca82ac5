"""ASAM: SAM in a ball that is scaled with the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Objective, Regularizer, regularizer, search

from .families.elsewhere import evaluate_at


class ASAM(Regularizer):
    """Kwon et al. 2021, algorithm 1 with p = 2; two gradient evaluations per step.

    The ascent is e = rho T^2 g / ||T g||, with the norm over all parameters (eq. 9). T is diagonal:
    |w| + eta for weights and 1 for biases. The gradient at w + e is used at w. The loss returned is
    the one at w.

    Deviates from the paper: nothing. As in the authors' code, scales of norms count as weights.
    """

    def __init__(self, rho: float, eta: float) -> None:
        self.rho = rho
        self.eta = eta
        self._biases: set[nn.Parameter] = set()

    def start(self, model: nn.Module, objective: Objective) -> None:
        # By name: the role of a norm's bias is that of the norm.
        named = model.named_parameters()
        self._biases = {p for name, p in named if name.rpartition(".")[2] == "bias"}

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        loss = evaluate()
        gradients = {p: p.grad for p in parameters if p.grad is not None}
        scaled = {p: g * self._scale(p) for p, g in gradients.items()}
        length = self.rho / (torch.nn.utils.get_total_norm(scaled.values()) + 1e-16)
        at = {p: p.detach() + g * self._scale(p) * length for p, g in scaled.items()}
        evaluate_at(at, evaluate)
        return loss

    def _scale(self, p: nn.Parameter) -> Tensor | float:
        return 1.0 if p in self._biases else p.detach().abs() + self.eta


regularizer(
    "asam",
    ASAM,
    summary="SAM whose ball is scaled with every weight's size.",
    paper="Kwon et al. 2021, ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant "
    "Learning of Deep Neural Networks",
    url="https://arxiv.org/abs/2102.11600",
    search={
        "rho": search.log_uniform(1e-2, 5.0, default=0.5),
        "eta": search.log_uniform(1e-3, 0.1, default=0.01),
    },
    claims=[
        Claim(
            says="ASAM generalizes better than SAM, whose sharpness depends on scale.",
            task="cifar10_resnet18",
            method="sgd+asam",
            rival="sgd+sam",
            measure="score",
            expect="better",
            number="various benchmark datasets: significant improvement of generalization "
            "performance; no number",
            place="abstract",
        ),
        Claim(
            says="ASAM generalizes better than SGD.",
            task="noisy_labels_short",
            method="sgd+asam",
            rival="sgd",
            measure="score",
            expect="better",
            number="various benchmark datasets: significant improvement of generalization "
            "performance; no number",
            place="abstract",
        ),
    ],
)
