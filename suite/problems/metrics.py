"""Metrics that many problems share."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from suite.data.split import Split

#: from (outputs, targets) of a batch to those that are compared
Restrict = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def unrestricted(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """All outputs and targets: the restriction of a task that has none."""
    return outputs, targets


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
