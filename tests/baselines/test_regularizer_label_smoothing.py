"""Label smoothing against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from suite import NotApplicable, TaskInfo
from suite.components import registry

LabelSmoothing = registry.get("regularizer", "label_smoothing").build


def info(classes: int | None) -> TaskInfo:
    return TaskInfo(8, 100, classes, torch.Generator())


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.4])
def test_equals_torch(epsilon):
    torch.manual_seed(0)
    outputs, targets = torch.randn(32, 7) * 3, torch.randint(7, (32,))
    loss = LabelSmoothing(epsilon=epsilon).criterion(outputs, targets, cross_entropy)
    expected = cross_entropy(outputs, targets, label_smoothing=epsilon)
    torch.testing.assert_close(loss, expected)


def test_scores_of_a_sequence():
    torch.manual_seed(0)
    outputs, targets = torch.randn(4, 5, 7), torch.randint(7, (4, 5))

    def default(outputs, targets):
        return cross_entropy(outputs.flatten(0, -2), targets.flatten())

    loss = LabelSmoothing(epsilon=0.2).criterion(outputs, targets, default)
    expected = cross_entropy(outputs.flatten(0, -2), targets.flatten(), label_smoothing=0.2)
    torch.testing.assert_close(loss, expected)


def test_needs_classes():
    LabelSmoothing(epsilon=0.1).attach(nn.Identity(), info(classes=7))
    with pytest.raises(NotApplicable, match="classes"):
        LabelSmoothing(epsilon=0.1).attach(nn.Identity(), info(classes=None))
