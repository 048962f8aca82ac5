"""Gradient regularization: the squared norm of the gradient is penalized by a finite difference."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Regularizer, regularizer, search


class GradientRegularization(Regularizer):
    """Karakida et al. 2023, F-GR and B-GR: the loss plus strength / 2 ||gradient||^2.

    With g the gradient at w, the gradient used is g + strength (g(w + ascent g) - g) / ascent, for
    "forward", or g + strength (g - g(w - ascent g)) / ascent, for "backward". Two gradient
    evaluations a step; the loss returned is the one at w.

    Deviates from the paper: nothing.
    """

    def __init__(self, strength: float, ascent: float, difference: str) -> None:
        self.strength = strength
        self.ascent = ascent
        self.difference = difference

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        loss = evaluate()
        if not self.strength:
            return loss
        gradients = {p: p.grad for p in parameters if p.grad is not None}
        # Kept, since adding and subtracting would not give the same bits back.
        weights = {p: p.detach().clone() for p in gradients}
        step = self.ascent if self.difference == "forward" else -self.ascent
        with torch.no_grad():
            for p, gradient in gradients.items():
                p.add_(gradient, alpha=step)
        evaluate()
        with torch.no_grad():
            for p, gradient in gradients.items():
                p.copy_(weights[p])
                there = gradient if p.grad is None else p.grad
                p.grad = gradient + (there - gradient) * (self.strength / step)
        return loss


regularizer(
    "gradient_regularization",
    GradientRegularization,
    summary="Penalizes the gradient's squared norm, by a second gradient at an ascended point.",
    paper="Karakida et al. 2023, Understanding Gradient Regularization in Deep Learning: Efficient "
    "Finite-Difference Computation and Implicit Bias",
    url="https://arxiv.org/abs/2210.02720",
    search={
        "strength": search.log_uniform(1e-4, 1.0, default=0.05),
        "ascent": search.log_uniform(1e-3, 1.0, default=0.05),
        "difference": search.choice("forward", "backward", default="forward"),
    },
    claims=[
        Claim(
            says="Gradient regularization leads a diagonal linear network to the rich regime.",
            task="diagonal_linear_net",
            method="sgd+gradient_regularization",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: a desirable implicit bias to the so-called rich "
            "regime, which finite differences strengthen",
            place="abstract",
        ),
        Claim(
            says="Gradient regularization improves generalization.",
            task="cifar10_resnet18",
            method="sgd+gradient_regularization",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: finite differences also work better in the sense of "
            "generalization performance",
            place="abstract",
        ),
    ],
)
