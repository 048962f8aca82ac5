"""The gradient of each class in a batch as one vector, for methods that treat classes apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import NotApplicable, Objective, TaskInfo


def refuse_without_classes(method: str, info: TaskInfo) -> None:
    """Raise NotApplicable for a task that has no classes."""
    if info.classes is None:
        raise NotApplicable(f"{method} treats classes apart, and this task has none")


def class_gradients(method: str, objective: Objective) -> dict[int, tuple[float, Tensor]]:
    """For each class of the batch its share of the examples, and the gradient of its mean loss."""
    targets = objective.batch[1]
    if targets.ndim != 1:
        raise NotApplicable(f"{method} treats classes apart and needs one for each example")
    found = {}
    for label, gradients in objective.per_group_gradients().items():
        share = int((targets == label).sum()) / len(targets)
        found[label] = share, torch.cat([g.flatten() for g in gradients])
    return found


def set_gradient(parameters: list[nn.Parameter], gradient: Tensor) -> None:
    """Leave the parts of one vector in `.grad`."""
    parts = gradient.split([p.numel() for p in parameters])
    for p, part in zip(parameters, parts, strict=True):
        p.grad = part.view(p.shape)
