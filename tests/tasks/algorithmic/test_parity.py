"""Sparse parity and pointer value retrieval: labels by hand, samples never met twice, influence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from suite.components import registry

registry.load_all("task")


def load(name, seed=0):
    task = registry.get("task", name)
    return task, task.problem.data(Path("unused"), torch.Generator().manual_seed(seed))


def test_parity_is_the_product_of_three_signs():
    task, data = load("sparse_parity")
    inputs, labels = data.test.inputs, data.test.targets * 2.0 - 1
    bits = task.problem.bits
    # the only product of three signs that is the label on every example, and no sign alone
    triples = torch.combinations(torch.arange(bits), 3)
    products = inputs[:, triples].prod(-1)
    agreeing = (products == labels.unsqueeze(1)).all(0)
    assert agreeing.sum() == 1
    assert ((inputs * labels.unsqueeze(1)).mean(0).abs() < 0.2).all()
    other = load("sparse_parity", seed=1)[1]
    assert not torch.equal(
        agreeing,
        (other.test.inputs[:, triples].prod(-1).T * (other.test.targets * 2 - 1) == 1).all(1),
    )


def test_no_sample_is_met_twice_within_the_budget():
    task, data = load("sparse_parity")
    assert len(data.train) == task.budget
    generator = torch.Generator().manual_seed(0)
    batches = task.problem.batches(data.train, task.batch_size, generator)
    met = torch.cat([next(batches)[0] for _ in range(task.budget // task.batch_size)])
    assert len(met) == len(data.train)
    # rows as numbers: the multiset of samples is the training split
    powers = 2.0 ** torch.arange(task.problem.bits, dtype=torch.float64)
    assert torch.equal(
        (met @ powers.float()).sort()[0], (data.train.inputs @ powers.float()).sort()[0]
    )


def test_pointer_labels_by_hand():
    problem = registry.get("task", "pvr_boolean").problem
    # pointer 110 is 6: the signs at places 6 and 7 are + and -; then 7 wraps around to 0
    values = [-1, 1, 1, 1, 1, 1, 1, -1]
    inputs = torch.tensor([[1, 1, -1, *values], [1, 1, 1, *values], [-1, -1, 1, *values]])
    assert problem.label(inputs.float()).tolist() == [0, 1, 1]


def test_the_frozen_sign_is_seen_in_held_out_halves_only():
    task, data = load("pvr_boolean")
    frozen = task.problem.frozen
    assert (data.train.inputs[:, frozen] == 1).all()
    rows = []
    for split in (data.train, data.validation, data.test):
        rows += map(tuple, split.inputs.tolist())
    assert len(set(rows)) == len(rows)
    for split in (data.validation, data.test):
        assert (split.inputs[:, frozen] == 1).sum() == len(split) / 2


class IgnoresTheFrozenSign(nn.Module):
    """Right wherever the frozen sign is 1, and blind to it."""

    def __init__(self, problem):
        super().__init__()
        self.problem = problem

    def forward(self, inputs):
        inputs = inputs.clone()
        inputs[:, self.problem.frozen] = 1
        answer = self.problem.label(inputs) * 2.0 - 1
        return torch.stack((-answer, answer), 1) / 2


def test_a_network_blind_to_the_frozen_sign_errs_as_its_influence():
    task, data = load("pvr_boolean")
    problem = task.problem
    # two of the eight places look at any sign, and turning it always turns a parity
    assert problem.influence() == 2 / 8
    metrics = problem.evaluate(IgnoresTheFrozenSign(problem), data.test)
    assert metrics["loss"] == 0 and metrics["accuracy"] == 1
    assert metrics["ood_error"] == pytest.approx(problem.influence(), abs=0.08)


def test_squared_margin_by_hand():
    criterion = registry.get("task", "pvr_boolean").problem.criterion
    outputs = torch.tensor([[0.0, 3.0], [1.0, 0.0]])
    # margins 3 and -1 against 1 and 1: half the mean of 4 and 4
    assert criterion(outputs, torch.tensor([1, 1])).item() == 2.0
