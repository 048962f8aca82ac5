"""Ungrokking: few cells after many, and what is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite import registry
from suite.tasks import Point

registry.load_all("task")


@pytest.mark.parametrize("name", ["ungrokking", "ungrokking_transformer"])
def test_the_last_quarter_trains_on_few_of_the_same_cells(name):
    task = registry.get("task", name)
    problem = task.problem
    data = problem.data(Path("unused"), torch.Generator().manual_seed(0))
    assert len(data.train) == task.batch_size
    stream = problem.batches(data.train, task.batch_size, torch.Generator().manual_seed(1))
    for progress in (0.0, 0.3, 0.74):
        stream.progress = progress
        assert next(stream)[0] is data.train.inputs
    stream.progress = 0.75
    inputs, targets = next(stream)
    share = len(inputs) / (len(data.train) + len(data.validation) + len(data.test))
    assert share == pytest.approx(problem.kept, abs=0.001)
    known = dict(
        zip(map(tuple, data.train.inputs.tolist()), data.train.targets.tolist(), strict=True)
    )
    few = dict(zip(map(tuple, inputs.tolist()), targets.tolist(), strict=True))
    assert len(few) == len(inputs) and few.items() <= known.items()
    stream.progress = 0.9
    assert next(stream)[0] is inputs, "the same few cells to the end"


def test_accuracy_lost_by_hand():
    problem = registry.get("task", "ungrokking").problem
    history = [Point(i / 4, {"accuracy": a}) for i, a in enumerate((0.1, 0.9, 0.5))]
    assert problem.summarize(history) == {"accuracy_lost": pytest.approx(0.4)}
