"""Wrong labels: how many, which, where, and how many of them are memorized."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from suite import Split
from suite.components import registry

TASK = registry.get("task", "noisy_labels_mini")
MODULE = sys.modules[type(TASK.problem).__module__]
LABELS = sys.modules[MODULE.with_wrong_labels.__module__]


def test_exactly_the_share_is_wrong_and_evenly_so():
    labels = torch.arange(10).repeat(1000)
    noisy, changed = LABELS.flip_labels(labels, 0.4, 10, torch.Generator().manual_seed(0))
    assert changed.sum() == 4000
    assert torch.equal(noisy != labels, changed)
    offsets = torch.bincount((noisy - labels)[changed] % 10, minlength=10)
    assert offsets[0] == 0
    assert (offsets[1:] - 4000 / 9).abs().max() < 100


@pytest.fixture(scope="module")
def data():
    return TASK.problem.data(Path("unused"), torch.Generator().manual_seed(0))


def truth(inputs):
    digits, _ = MODULE.read_digits()
    return {
        tuple(row): int(y) for row, y in zip(digits.inputs.tolist(), digits.targets, strict=True)
    }


def wrong(split):
    known = truth(split.inputs)
    rows = split.inputs.tolist()
    return sum(known[tuple(row)] != int(y) for row, y in zip(rows, split.targets, strict=True))


def test_training_and_validation_labels_are_noisy_and_test_labels_true(data):
    assert wrong(data.train) == 360
    assert wrong(data.validation) == 160
    assert wrong(data.test) == 0


def test_memorized_counts_wrong_training_labels_only(data):
    carried = data.test.wrong
    assert len(carried) == wrong(carried) == 360
    moved = data.test.to("cpu")
    known = truth(data.test.inputs)

    def right(inputs):
        labels = torch.tensor([known[tuple(row)] for row in inputs.tolist()])
        return torch.nn.functional.one_hot(labels, 10).float()

    rows = {
        tuple(row): int(y) for row, y in zip(carried.inputs.tolist(), carried.targets, strict=True)
    }

    def parrot(inputs):
        labels = torch.tensor([rows.get(tuple(row), 0) for row in inputs.tolist()])
        return torch.nn.functional.one_hot(labels, 10).float()

    assert LABELS.memorized(right, moved) == {"memorized": 0.0}
    assert LABELS.memorized(parrot, moved) == {"memorized": 1.0}
    assert LABELS.memorized(right, Split(carried.inputs, carried.targets)) == {}
