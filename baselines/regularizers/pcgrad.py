"""PCGrad: gradients of tasks that conflict are projected onto each other's normal planes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Regularizer, TaskInfo, regularizer

from .families.classes import class_gradients, refuse_without_classes, set_gradient


class PCGrad(Regularizer):
    """Yu et al. 2020, algorithm 1, with the classes in a batch as the tasks.

    For each task's gradient, in random order over the other tasks: if the two have a negative inner
    product, the component along the other one's original gradient is removed. The step uses the sum
    of the results.

    Deviates from the paper: tasks are weighted by their share of the batch, so that without
    conflicts the sum is the batch's gradient.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        refuse_without_classes("PCGrad", info)
        self._generator = info.generator

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        found = class_gradients("PCGrad", self.objective).values()
        original = torch.stack([share * gradient for share, gradient in found])
        total = torch.zeros_like(original[0])
        for i, gradient in enumerate(original):
            projected = gradient.clone()
            for j in torch.randperm(len(original), generator=self._generator).tolist():
                inner = projected @ original[j]
                if j != i and inner < 0:
                    projected -= inner / original[j].square().sum() * original[j]
            total += projected
        set_gradient(parameters, total)
        return torch.as_tensor(self.objective.last_loss)


regularizer(
    "pcgrad",
    PCGrad,
    summary="Removes the conflicting components of the classes' gradients.",
    paper="Yu et al. 2020, Gradient Surgery for Multi-Task Learning",
    url="https://arxiv.org/abs/2001.06782",
    extra_work="projects the gradient of each class in a batch onto those of all others",
    claims=[
        Claim(
            says="Removing conflicts between gradients makes learning more efficient.",
            task="class_incremental_growth",
            method="adamw+pcgrad",
            rival="adamw",
            measure="column",
            quantity="average_anytime_accuracy",
            expect="higher",
            number="no number in the abstract: substantial gains in efficiency and performance, "
            "multi-task supervised and reinforcement learning",
            place="abstract",
        ),
    ],
)
