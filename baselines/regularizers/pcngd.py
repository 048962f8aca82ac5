"""PCNGD: every class of a batch pulls with the same force."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Regularizer, TaskInfo, regularizer

from .families.classes import class_gradients, refuse_without_classes, set_gradient


class PCNGD(Regularizer):
    """Francazi et al. 2023, per-class normalized gradient descent: g <- sum of g_c / ||g_c||,

    with g_c the gradient of the loss of the examples of class c in the batch, and the norm over all
    parameters. The loss returned is that of the batch.

    Deviates from the paper: nothing that is known. Only the abstract and a summary could be read;
    the rule is from memory. Oversampling, which the paper adds for small batches, is left out.
    Transforms of gradients that come before this one on the command line are not used.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        refuse_without_classes("PCNGD", info)

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        found = class_gradients("PCNGD", self.objective).values()
        tiny = 1e-12  # a class that is fitted exactly has no direction
        total = torch.stack([g / (g.norm() + tiny) for _, g in found]).sum(0)
        set_gradient(parameters, total)
        return torch.as_tensor(self.objective.last_loss)


regularizer(
    "pcngd",
    PCNGD,
    summary="Normalizes the gradient of each class before they are added.",
    paper="Francazi et al. 2023, A Theoretical Analysis of the Learning Dynamics under Class "
    "Imbalance",
    url="https://arxiv.org/abs/2207.00391",
    claims=[
        Claim(
            says="Per-class normalization helps gradient descent on imbalanced classes.",
            task="digits_longtail",
            method="sgd+pcngd",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: gradient descent need not decrease the loss of each "
            "class; per-class normalization addresses this",
            place="abstract",
        ),
        Claim(
            says="Per-class normalization of gradients helps with a long tail of classes.",
            task="cifar10_longtail",
            method="sgd+pcngd",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: per-class normalization addresses the problem; with "
            "SGD the directional noise of the minority class reduces the effect",
            place="abstract",
        ),
    ],
)
