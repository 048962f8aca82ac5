"""RM3: the gradient is the median of those of three thirds of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer

PARTS = 3


class RM3(Regularizer):
    """Chatterjee and Zielinski 2022, a robust mean of the gradients of examples.

    The batch is cut into three parts, and each entry of the gradient is the median of the three
    parts' mean gradients there: what only a few examples want is left out. The loss returned is
    that of the batch.

    Deviates from the paper: nothing that is known; the rule is from memory. Hooks of gradients that
    come before this one on the command line are not used.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.batch_size < PARTS:
            raise NotApplicable(f"RM3 cuts batches into {PARTS} parts: there are fewer examples")

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        inputs, targets = self.objective.batch
        total, found = torch.zeros((), device=inputs.device), []
        for part in zip(inputs.tensor_split(PARTS), targets.tensor_split(PARTS), strict=True):
            loss, gradients = self.objective.gradient(part)
            total = total + loss * (len(part[0]) / len(inputs))
            found.append(gradients)
        for p, *parts in zip(parameters, *found, strict=True):
            p.grad = torch.stack(parts).median(dim=0).values
        return total


regularizer(
    "rm3",
    RM3,
    summary="Takes the median of the gradients of three parts of a batch.",
    paper="Chatterjee and Zielinski 2022, On the Generalization Mystery in Deep Learning",
    url="https://arxiv.org/abs/2203.10036",
    claims=[
        Claim(
            says="Robust means attenuate memorization and improve generalization.",
            task="noisy_labels_short",
            method="sgd+rm3",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: simple modifications of gradient descent attenuate "
            "memorization and improve generalization",
            place="abstract",
        ),
        Claim(
            says="Robust means attenuate memorization of wrong labels on CIFAR-10.",
            task="noisy_labels",
            method="sgd+rm3",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: simple modifications of gradient descent attenuate "
            "memorization and improve generalization",
            place="abstract",
        ),
    ],
)
