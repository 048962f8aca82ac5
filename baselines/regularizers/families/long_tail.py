"""Class sizes, counted from the batches, and the output layer: what long-tail methods share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import NotApplicable, TaskInfo


class ClassSizes:
    """How many training examples each class has, as far as batches have shown."""

    def __init__(self, info: TaskInfo) -> None:
        if info.loss != "cross_entropy" or info.classes is None or info.inputs == "tokens":
            raise NotApplicable("class sizes are those of a classification of whole examples")
        self._examples = info.examples
        self._seen = torch.zeros(info.classes, dtype=torch.float64)

    def add(self, targets: Tensor) -> None:
        self._seen += torch.bincount(targets.flatten().cpu(), minlength=len(self._seen))

    def shares(self) -> Tensor:
        """The share of each class; one that was not seen counts as half an example."""
        seen = self._seen.clamp(min=0.5)
        return seen / seen.sum()

    def counts(self) -> Tensor:
        """Training examples of each class: those of the finite set, or all that were seen."""
        return self.shares() * (self._seen.sum() if self._examples is None else self._examples)


def output_layer(model: nn.Module) -> nn.Linear:
    """The model's last linear layer; NotApplicable if there is none of its own."""
    heads = [m for m in model.modules() if isinstance(m, nn.Linear) and getattr(m, "is_head", 0)]
    used = [p for m in model.modules() for p in m.parameters(recurse=False)]
    if len(heads) != 1 or sum(p is heads[0].weight for p in used) != 1:
        raise NotApplicable("needs one linear output layer whose weights nothing else uses")
    return heads[0]
