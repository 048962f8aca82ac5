"""Long-tailed class sizes, and a network's accuracy on large and small classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite import Point, Split


def class_sizes(largest: int, imbalance: float, classes: int) -> list[int]:
    """n_k = n_max IF^(-k / (K - 1)), rounded down as by Cui et al. 2019 and Cao et al. 2019."""
    exponents = [k / (classes - 1) for k in range(classes)]
    return [int(largest * imbalance**-exponent + 1e-9) for exponent in exponents]


def by_class(
    targets: Tensor, sizes: Sequence[int], classes: int, generator: torch.Generator
) -> list[Tensor]:
    """Disjoint random subsets: for each size per class, the indices (classes, size)."""
    rows = []
    for label in range(classes):
        found = (targets == label).nonzero().flatten()
        rows.append(found[torch.randperm(len(found), generator=generator)][: sum(sizes)])
    return list(torch.stack(rows).split(list(sizes), 1))


def balanced_metrics(
    model: Callable[[Tensor], Tensor], split: Split, classes: int, chunk: int = 1000
) -> dict[str, float]:
    """Loss, accuracy, and recall of many-, medium- and few-shot classes and of the worst class.

    On a balanced split the accuracy is the mean recall. Classes are sorted by size, so "many" is
    the first three tenths of them, "few" the last three: counts of examples, as used on larger
    data sets (over 100, under 20), would leave 10 classes without a few-shot one.
    """
    outputs = torch.cat([model(inputs) for inputs in split.inputs.split(chunk)])
    hits = (outputs.argmax(-1) == split.targets).float()
    counts = torch.bincount(split.targets, minlength=classes)
    recalls = torch.zeros(classes, device=hits.device).scatter_add_(0, split.targets, hits) / counts
    third = round(0.3 * classes)
    return {
        "loss": float(cross_entropy(outputs, split.targets)),
        "accuracy": float(recalls.mean()),
        "many_accuracy": float(recalls[:third].mean()),
        "medium_accuracy": float(recalls[third:-third].mean()),
        "few_accuracy": float(recalls[-third:].mean()),
        "worst_class_accuracy": float(recalls.min()),
    }


def minority_drop(history: Sequence[Point]) -> dict[str, float]:
    """How far few-shot recall falls below that of the first measurement, and for how long.

    Francazi et al. 2023, "A Theoretical Analysis of the Learning Dynamics under Class Imbalance":
    the minority initial drop. Its length is the share of the budget until the last measurement
    that is below the first.
    """
    recalls = [point.metrics["few_accuracy"] for point in history]
    below = [p.progress for p, recall in zip(history, recalls, strict=True) if recall < recalls[0]]
    return {
        "minority_drop": recalls[0] - min(recalls),
        "minority_drop_length": below[-1] if below else 0.0,
    }
