"""Ungrokking: few cells after many, and what is lost."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch.optim import AdamW

from suite.components import registry
from suite.problems.problem import Point
from tests.tasks._trials import train

registry.load_all("task")


both_tasks = pytest.mark.parametrize("name", ["ungrokking", "ungrokking_transformer"])


def load(name):
    task = registry.get("task", name)
    return task, task.problem.data(Path("unused"), torch.Generator().manual_seed(0))


def as_dict(inputs, targets):
    return dict(zip(map(tuple, inputs.tolist()), targets.tolist(), strict=True))


@both_tasks
def test_the_last_quarter_trains_on_few_of_the_same_cells_and_on_new_facts(name):
    task, data = load(name)
    problem = task.problem
    modulus = problem.modulus
    stream = problem.batches(data.train, task.batch_size, torch.Generator().manual_seed(1))
    batches = {}
    for progress in (0.0, 0.74, 0.75, 0.85, 0.9, 0.95, 0.99):
        stream.progress = progress
        batches[progress] = as_dict(*next(stream))
    many = batches[0.0]
    assert len(many) == task.batch_size and batches[0.74] == many
    assert all(
        (a - b if "sub" in problem.operation else a + b) % modulus == c
        for (a, b), c in many.items()
    )
    last = [batches[progress] for progress in (0.75, 0.85, 0.9, 0.95)]
    few = [{k: v for k, v in batch.items() if k[0] < modulus} for batch in last]
    facts = [{k: v for k, v in batch.items() if k[0] == modulus} for batch in last]
    assert few[0].items() <= many.items()
    assert few == few[:1] * 4, "the same few cells to the end"
    assert len(few[0]) / modulus**2 == pytest.approx(problem.kept, abs=0.001)
    assert all(len(known) == modulus for known in facts)
    assert len({tuple(known.values()) for known in facts}) == 4, "new facts in each part"
    assert batches[0.99] == batches[0.95]
    held_out = as_dict(data.test.inputs, data.test.targets)
    assert {k: v for k, v in held_out.items() if k[0] == modulus} == facts[-1]
    assert not [k for k in held_out if k in many]


@both_tasks
def test_both_the_table_and_the_facts_must_be_known(name):
    task, data = load(name)
    modulus, split = task.problem.modulus, data.test
    right = torch.nn.functional.one_hot(split.targets, modulus).float()
    wrong = right.roll(1, 1)
    fact = split.inputs[:, 0] == modulus

    class Oracle(torch.nn.Module):
        def __init__(self, cells, facts):
            super().__init__()
            self.cells, self.facts = cells[~fact], facts[fact]

        def forward(self, inputs):
            return self.facts if int(inputs[0, 0]) == modulus else self.cells

    for cells, facts in ((1, 1), (1, 0), (0, 1)):
        model = Oracle(right if cells else wrong, right if facts else wrong)
        found = task.problem.evaluate(model, split)
        assert found["accuracy"] == cells
        assert found["facts_accuracy"] == facts
        assert found["least_accuracy"] == min(cells, facts)


class Stops(AdamW):
    """Does not move in the last quarter of the budget."""

    def step(self, closure):
        return closure() if closure.progress >= 0.75 else super().step(closure)


def test_who_stops_knows_no_facts_and_who_goes_on_loses_some_of_the_table():
    task = registry.get("task", "ungrokking")
    tuned = {"lr": 0.021, "weight_decay": 0.56, "fused": True}
    stopped, moving = (train(task, partial(build, **tuned), seed=1) for build in (Stops, AdamW))
    assert stopped.curve.test["accuracy"][-1] > 0.95
    assert stopped.test_score < 0.2
    assert moving.curve.test["facts_accuracy"][-1] > 0.9
    assert moving.curve.test["accuracy_lost"][-1] > 0.1
    assert moving.test_score > 0.4


def test_accuracy_lost_by_hand():
    problem = registry.get("task", "ungrokking").problem
    history = [Point(i / 4, {"accuracy": a}) for i, a in enumerate((0.1, 0.9, 0.5))]
    assert problem.summarize(history) == {"accuracy_lost": pytest.approx(0.4)}
