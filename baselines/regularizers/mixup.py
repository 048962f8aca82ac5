"""Mixup: training on convex combinations of pairs of examples and of their labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class Mixup(Regularizer):
    """Zhang et al. 2018, figure 1a: one weight from Beta(alpha, alpha) and one permutation a batch.

    The loss of a mixed label is the mixture of the losses of both labels, which for the cross
    entropy is the same.

    Deviates from the paper: nothing.
    """

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.inputs == "tokens":
            raise NotApplicable("mixup averages inputs, and this task's are tokens")
        self._generator = info.generator

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if not inputs.is_floating_point():
            raise NotApplicable("mixup averages inputs, and this task's are whole numbers")
        a, b = torch._standard_gamma(
            torch.full((2,), self.alpha, dtype=torch.float64), self._generator
        ).tolist()
        self._weight = a / (a + b) if a + b > 0 else 1.0
        order = torch.randperm(len(inputs), generator=self._generator).to(inputs.device)
        self._order, self._targets = order, targets
        return torch.lerp(inputs[order], inputs, self._weight), targets

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        if len(outputs) != len(self._order):
            raise NotApplicable("mixup pairs the examples of a batch: it needs all of its outputs")
        # Where a task compares only some classes, targets are counted from the first of these.
        first = self._targets - targets if targets is not self._targets else None
        if first is not None and not torch.equal(first, first[self._order]):
            raise NotApplicable("mixup pairs examples whose possible classes are not the same")
        other = default(outputs, targets[self._order])
        return self._weight * default(outputs, targets) + (1 - self._weight) * other


regularizer(
    "mixup",
    Mixup,
    summary="Trains on mixtures of two examples and of their labels.",
    paper="Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization",
    url="https://arxiv.org/abs/1710.09412",
    search={"alpha": search.log_uniform(0.05, 2.0, default=0.2)},
    claims=[
        Claim(
            says="Mixup improves generalization on images.",
            task="cifar10_resnet18",
            method="sgd+mixup",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: improves the generalization of state-of-the-art "
            "networks on ImageNet, CIFAR-10, CIFAR-100, speech and tables",
            place="abstract",
        ),
        Claim(
            says="Mixup makes networks better where labels are wrong.",
            task="noisy_labels_short",
            method="adamw+mixup",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: reduces the memorization of corrupt labels",
            place="abstract",
        ),
        Claim(
            says="Mixed examples are memorized less if their labels are wrong.",
            task="noisy_labels_short",
            method="adamw+mixup",
            rival="adamw",
            measure="column",
            quantity="memorized",
            expect="lower",
            number="no number in the abstract: reduces the memorization of corrupt labels",
            place="abstract",
        ),
        Claim(
            says="Mixed examples make a network more robust to attacks.",
            task="delayed_robustness_mini",
            method="adamw+mixup",
            rival="adamw",
            measure="column",
            quantity="robust_accuracy",
            expect="higher",
            number="no number in the abstract: increases the robustness to adversarial examples",
            place="abstract",
        ),
    ],
)
