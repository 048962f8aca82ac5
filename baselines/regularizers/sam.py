"""SAM: the gradient is computed at the nearby point with the highest loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Regularizer, regularizer, search

from .families.elsewhere import evaluate_at


class SAM(Regularizer):
    """Foret et al. 2021, algorithm 1 with p = 2; two gradient evaluations per step.

    The ascent is e = rho g / ||g||, with the norm over all parameters (eq. 2), and the gradient at
    w + e is used at w. The loss returned is the one at w.

    Deviates from the paper: nothing.
    """

    def __init__(self, rho: float) -> None:
        self.rho = rho

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        loss = evaluate()
        gradients = {p: p.grad for p in parameters if p.grad is not None}
        scale = self.rho / (torch.nn.utils.get_total_norm(gradients.values()) + 1e-12)
        evaluate_at({p: p.detach() + g * scale for p, g in gradients.items()}, evaluate)
        return loss


regularizer(
    "sam",
    SAM,
    summary="Follows the gradient from the worst point within a small ball around the weights.",
    paper="Foret et al. 2021, Sharpness-Aware Minimization for Efficiently Improving "
    "Generalization",
    url="https://arxiv.org/abs/2010.01412",
    search={"rho": search.log_uniform(1e-3, 1.0, default=0.05)},
    claims=[
        Claim(
            says="SAM improves generalization on CIFAR-10.",
            task="cifar10_resnet18",
            method="sgd+sam",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: improves generalization on CIFAR-10, CIFAR-100, "
            "ImageNet and finetuning tasks",
            place="abstract",
        ),
        Claim(
            says="SAM is robust to label noise.",
            task="noisy_labels_short",
            method="sgd+sam",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: robustness to label noise on par with procedures "
            "that specifically target it",
            place="abstract",
        ),
    ],
)
