"""PCGrad: gradients of tasks that conflict are projected onto each other's normal planes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer


class PCGrad(Regularizer):
    """Yu et al. 2020, algorithm 1, with the classes in a batch as the tasks.

    For each task's gradient, in random order over the other tasks: if the two have a negative inner
    product, the component along the other one's original gradient is removed. The step uses the sum
    of the results.

    Deviates from the paper: tasks are weighted by their share of the batch, so that without
    conflicts the sum is the batch's gradient.
    """

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.classes is None:
            raise NotApplicable("PCGrad takes classes as tasks, and this task has none")
        self._generator = info.generator

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        targets = self.objective.batch[1]
        if targets.ndim != 1:
            raise NotApplicable("PCGrad takes classes as tasks and needs one for each example")
        groups = self.objective.per_group_gradients()
        shares = [int((targets == label).sum()) / len(targets) for label in groups]
        rows = [torch.cat([g.flatten() for g in gradients]) for gradients in groups.values()]
        original = torch.stack(rows) * rows[0].new_tensor(shares)[:, None]
        total = torch.zeros_like(original[0])
        for i, gradient in enumerate(original):
            projected = gradient.clone()
            for j in torch.randperm(len(original), generator=self._generator).tolist():
                inner = projected @ original[j]
                if j != i and inner < 0:
                    projected -= inner / original[j].square().sum() * original[j]
            total += projected
        parts = total.split([p.numel() for p in parameters])
        for p, part in zip(parameters, parts, strict=True):
            p.grad = part.view(p.shape)
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
            rival="adamw",
            measure="column",
            quantity="average_anytime_accuracy",
            expect="higher",
            number="substantial gains in efficiency and performance; no number",
            place="abstract",
        ),
    ],
)
