"""The generated language: its entropy by brute force, and predictors of known excess."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from suite.components import registry


@pytest.fixture(scope="module")
def task():
    return registry.get("task", "lm_markov")


@pytest.fixture(scope="module")
def test_split(task):
    return task.problem.data(Path("unused"), torch.Generator().manual_seed(0)).test


class Truth(nn.Module):
    """The best predictor: the language itself."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def forward(self, text):
        return self.table[text[:, :-1], text[:, 1:]].log()


class Uniform(nn.Module):
    def __init__(self, symbols):
        super().__init__()
        self.symbols = symbols

    def forward(self, text):
        return torch.zeros(len(text), text.shape[1] - 1, self.symbols)


def test_rows_are_distributions(task):
    table = task.problem.table
    assert (table > 0).all()
    assert torch.allclose(table.sum(-1), torch.ones(table.shape[:2]))


def test_the_truth_has_no_excess_and_its_loss_is_the_entropy(task, test_split):
    table = task.problem.table
    metrics = task.problem.evaluate(Truth(table), test_split)
    assert metrics["excess_loss"] == pytest.approx(0.0, abs=1e-5)
    entropy, positions = 0.0, 0
    for text in test_split.inputs.tolist():
        for before, last in pairwise(text):
            entropy -= sum(p * math.log(p) for p in table[before, last].tolist())
            positions += 1
    assert positions == test_split.targets.numel()
    assert metrics["loss"] == pytest.approx(entropy / positions, rel=1e-5)


def test_excess_is_positive_for_any_other_predictor(task, test_split):
    wrong = Truth(task.problem.table.flip(-1))
    assert task.problem.evaluate(wrong, test_split)["excess_loss"] > 0.1
    torch.manual_seed(0)
    with torch.no_grad():
        untrained = task.problem.evaluate(task.problem.model(), test_split)
    assert untrained["excess_loss"] > 0.1


def test_loss_is_the_expectation_of_the_sampled_loss(task, test_split):
    """The metric averages over what might have followed; the criterion reads what did."""
    truth = Truth(task.problem.table)
    sampled = task.problem.criterion(truth(test_split.inputs), test_split.targets)
    expected = task.problem.evaluate(truth, test_split)["loss"]
    deviation = 1.5 / math.sqrt(test_split.targets.numel())  # of one position: under 1.5 nats
    assert float(sampled) == pytest.approx(expected, abs=4 * deviation)


def test_the_uniform_predictor_loses_the_logarithm_of_the_symbols(task, test_split):
    metrics = task.problem.evaluate(Uniform(task.problem.symbols), test_split)
    assert metrics["loss"] == pytest.approx(math.log(task.problem.symbols), rel=1e-5)
    truth = task.problem.table[test_split.inputs[:, :-1], test_split.inputs[:, 1:]]
    entropy = float(torch.special.entr(truth).sum(-1).mean())
    expected = math.log(task.problem.symbols) - entropy
    assert metrics["excess_loss"] == pytest.approx(expected, rel=1e-4)


def test_the_text_follows_the_language(task):
    """Observed frequencies after every pair of symbols agree with the table."""
    train = task.problem.data(Path("unused"), torch.Generator().manual_seed(1)).train
    table = task.problem.table
    symbols = len(table)
    before, last = train.inputs[:, :-1].flatten(), train.inputs[:, 1:].flatten()
    pairs = before * symbols + last
    counts = torch.zeros(symbols**2, symbols).index_put_(
        (pairs, train.targets.flatten()), torch.ones(len(pairs)), accumulate=True
    )
    seen = counts.sum(-1, keepdim=True)
    expected = table.flatten(0, 1)
    deviation = (expected * (1 - expected) / seen).sqrt() + 1 / seen
    assert ((counts / seen - expected).abs() < 6 * deviation).all()


def test_the_model_is_causal(task, test_split):
    torch.manual_seed(0)
    model = task.problem.model().eval()
    text = test_split.inputs[:4]
    changed = text.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % task.problem.symbols
    before, after = model(text), model(changed)
    assert torch.allclose(before[:, :8], after[:, :8], atol=1e-6)
    assert not torch.allclose(before[:, 8:], after[:, 8:], atol=1e-3)
