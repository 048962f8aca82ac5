"""Metrics that many problems share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from suite.data.split import Split

#: from (outputs, targets) of a batch to those that are compared
Restrict = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def unrestricted(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """All outputs and targets: the restriction of a task that has none."""
    return outputs, targets


LossName = Literal["cross_entropy", "mse"]


def loss_name(criterion: Callable[[Tensor, Tensor], Tensor]) -> LossName | None:
    """The name of a loss that is the mean of one of these over a batch and its positions.

    Found by the values on a small example, so that no task needs to state it, or can be wrong.
    """
    scores = torch.linspace(0.0, 9.0, 12).sin().view(2, 2, 3)
    labels = torch.tensor([[0, 2], [1, 1]])
    flat = scores.view(4, 3)
    others = flat.flip(0)
    if _gives(criterion, flat, others, (flat - others).square().mean()):
        return "mse"
    expected = nn.functional.cross_entropy(flat, labels.flatten())
    for outputs, targets in ((flat, labels.flatten()), (scores, labels)):
        if _gives(criterion, outputs, targets, expected):
            return "cross_entropy"
    return None


def _gives(
    criterion: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor, value: Tensor
) -> bool:
    try:
        found = criterion(outputs, targets)
    except Exception:  # it is made for outputs or targets of another kind
        return False
    return found.shape == value.shape and torch.allclose(found, value)


def classification_metrics(
    model: Callable[[Tensor], Tensor],
    split: Split,
    criterion: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    chunk: int = 2048,
    restrict: Restrict = unrestricted,
) -> dict[str, float]:
    """Mean loss and accuracy of class scores, in chunks that bound the memory.

    Outputs of shape (..., classes) are compared with targets of shape (...), after `restrict`.
    """
    loss, correct, count = 0.0, 0, 0
    for inputs, labels in zip(split.inputs.split(chunk), split.targets.split(chunk), strict=True):
        outputs, targets = restrict(model(inputs), labels)
        loss += float(criterion(outputs, targets)) * len(targets)
        correct += int((outputs.argmax(-1) == targets).sum())
        count += targets.numel()
    return {"loss": loss / len(split), "accuracy": correct / count}
