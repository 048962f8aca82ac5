"""Long tails: class sizes, balanced held-out data, recalls, and the minority's initial drop."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from suite import Split
from suite.components import registry
from suite.problems.problem import Point
from tests.images import write_image_folders

TASK = registry.get("task", "digits_longtail")
MODULE = sys.modules[type(TASK.problem).__module__]
BALANCE = sys.modules[MODULE.minority_drop.__module__]


def test_class_sizes_are_those_of_cifar10_lt():
    expected = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert BALANCE.class_sizes(5000, 100, 10) == expected
    full = registry.get("task", "cifar10_longtail")
    sizes = BALANCE.class_sizes(4500, 100, 10)
    assert full.budget == 200 * sum(sizes)


def test_only_the_training_split_has_a_tail():
    data = TASK.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    counts = torch.bincount(data.train.targets, minlength=10).tolist()
    assert counts == BALANCE.class_sizes(100, 100, 10)
    assert (counts[0], counts[-1]) == (100, 1)
    for split, count in ((data.validation, 30), (data.test, 44)):
        assert torch.bincount(split.targets).tolist() == [count] * 10
    rows = [{tuple(r) for r in s.inputs.tolist()} for s in (data.train, data.validation, data.test)]
    assert len(set.union(*rows)) == sum(map(len, rows))


def test_recalls_by_hand():
    """Ten classes of two examples; classes 7 and 8 are half right, class 9 wrong."""
    targets = torch.arange(10).repeat_interleave(2)
    predicted = targets.clone()
    predicted[[14, 16, 18, 19]] = 0
    split = Split(torch.nn.functional.one_hot(predicted, 10).float(), targets)
    metrics = BALANCE.balanced_metrics(lambda scores: scores, split, 10)
    assert metrics["many_accuracy"] == metrics["medium_accuracy"] == 1.0
    assert metrics["few_accuracy"] == pytest.approx(1 / 3)
    assert metrics["worst_class_accuracy"] == 0.0
    assert metrics["accuracy"] == pytest.approx(0.8)


def points(*recalls):
    last = len(recalls) - 1
    return [Point(i / last, {"few_accuracy": recall}) for i, recall in enumerate(recalls)]


def test_minority_drop_by_hand():
    drop = BALANCE.minority_drop(points(0.2, 0.05, 0.1, 0.3, 0.4))
    assert drop["minority_drop"] == pytest.approx(0.15)
    assert drop["minority_drop_length"] == 0.5
    none = BALANCE.minority_drop(points(0.1, 0.1, 0.3))
    assert none == {"minority_drop": 0.0, "minority_drop_length": 0.0}


def test_the_cifar_tail_is_cut_from_real_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    write_image_folders(tmp_path, train=14, test=2)
    problem = MODULE.LongTailCifar("cifar10", train=10, validation=4, test=2, imbalance=10)
    data = problem.data(tmp_path, torch.Generator().manual_seed(0))
    assert torch.bincount(data.train.targets).tolist() == BALANCE.class_sizes(10, 10, 10)
    assert torch.bincount(data.validation.targets).tolist() == [4] * 10
    assert torch.bincount(data.test.targets).tolist() == [2] * 10
