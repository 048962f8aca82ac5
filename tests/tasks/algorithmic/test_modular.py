"""Modular addition: the whole table, split once, learned in full batches."""

from __future__ import annotations

from pathlib import Path

import torch

from suite.components import registry


def test_the_splits_make_up_the_whole_table():
    task = registry.get("task", "modular_addition")
    p = task.problem.modulus
    data = task.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    table = {}
    for split in (data.train, data.validation, data.test):
        table.update(zip(map(tuple, split.inputs.tolist()), split.targets.tolist(), strict=True))
    assert table == {(a, b): (a + b) % p for a in range(p) for b in range(p)}
    assert len(data.train) == task.batch_size == p * p // 2


def test_operands_are_told_apart():
    """With one embedding for both, a + b and b + a would look alike and half would leak."""
    model = registry.get("task", "modular_addition").problem.model()
    there, back = model(torch.tensor([[3, 7], [7, 3]]))
    assert not torch.allclose(there, back)
