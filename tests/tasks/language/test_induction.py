"""In-context Markov chains: the best predictor by hand, and what no shortcut reaches."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial


@pytest.fixture(scope="module")
def task():
    return registry.get("task", "lm_induction")


@pytest.fixture(scope="module")
def module(task):
    return sys.modules[type(task.problem).__module__]


@pytest.fixture(scope="module")
def held_out(task):
    return task.problem.data(Path("unused"), torch.Generator().manual_seed(0)).test


class Best(nn.Module):
    def __init__(self, predict):
        super().__init__()
        self.predict = predict

    def forward(self, text):
        return self.predict(text, 4).log()


def test_the_best_prediction_counts_pairs(module):
    found = module.best_prediction(torch.tensor([[0, 1, 0, 1, 0]]), 2)[0]
    # 0 has been followed by nothing yet; 1 by nothing; 0 by one 1; 1 by one 0; 0 by two 1
    expected = [[1 / 2, 1 / 2], [1 / 2, 1 / 2], [1 / 4, 3 / 4], [3 / 4, 1 / 4], [1 / 6, 5 / 6]]
    assert torch.allclose(found, torch.tensor(expected))


def test_the_best_prediction_is_calibrated(module):
    """Where it says p, the next symbol comes with probability p: it is the exact posterior."""
    text = module.draw_chains(20_000, 3, 9, torch.Generator().manual_seed(1))
    stated = module.best_prediction(text[:, :-1], 3)
    came = nn.functional.one_hot(text[:, 1:], 3).float()
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        chosen = (stated >= low) & (stated < low + 0.2)
        count = int(chosen.sum())
        deviation = 0.5 / count**0.5
        assert count > 1000
        assert float((stated - came)[chosen].mean()) == pytest.approx(0, abs=4 * deviation)


def test_nothing_is_below_the_floor(task, module, held_out):
    metrics = task.problem.evaluate(Best(module.best_prediction), held_out)
    assert metrics["excess_loss"] == pytest.approx(0.0, abs=1e-6)

    # the share of each symbol so far: all that there is to use without an induction head
    def frequencies(text, symbols):
        counts = nn.functional.one_hot(text, symbols).float().cumsum(1) + 0.5
        return counts / counts.sum(-1, keepdim=True)

    plateau = task.problem.evaluate(Best(frequencies), held_out)["excess_loss"]
    assert plateau > 2 * task.target
    uniform = Best(lambda text, symbols: torch.full((*text.shape, symbols), 1 / symbols))
    worst = task.problem.evaluate(uniform, held_out)
    assert plateau < worst["excess_loss"] < task.score.worst
    assert worst["perplexity"] == pytest.approx(4, rel=1e-5)


def test_every_sequence_has_a_rule_of_its_own(module):
    text = module.draw_chains(2, 4, 4000, torch.Generator().manual_seed(2))
    tables = []
    for row in text:
        pairs = torch.zeros(4, 4).index_put_((row[:-1], row[1:]), torch.ones(3999), True)
        tables.append(pairs / pairs.sum(-1, keepdim=True))
    assert (tables[0] - tables[1]).abs().max() > 0.2
    final = module.best_prediction(text, 4)[:, -1]
    for row, table, prediction in zip(text, tables, final, strict=True):
        assert torch.allclose(table[row[-1]], prediction, atol=0.01)


def test_adamw_leaves_the_plateau_and_reports_tokens(task):
    hyperparameters = {"adamw": {"lr": 0.005, "weight_decay": 0.01}}
    run = run_trial(
        Trial(task.name, (("optimizer", "adamw"),), hyperparameters, 0, 1, "tuning")
    ).run
    curve = run.curve.validation
    assert curve["excess_loss"][0] > 2 * task.target
    assert run.time_to_target is not None
    assert curve["tokens"][-1] == 32 * 400 * 24
    assert set(curve["spikes"]) <= set(range(5))
