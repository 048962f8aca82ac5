"""Few tokens, many epochs: learned by heart without weight decay, and less with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial

NAME = "lm_data_constrained_mini"


def train(weight_decay):
    hyperparameters = {"adamw": {"lr": 4e-3, "weight_decay": weight_decay}}
    trial = Trial(NAME, (("optimizer", "adamw"),), hyperparameters, 0, 1, "tuning")
    return run_trial(trial).run.curve


def test_more_epochs_overfit_unless_weights_decay():
    plain, decayed = train(0.01), train(1.0)
    curve = plain.validation["excess_loss"]
    best = min(curve)
    assert 2 < curve.index(best) < len(curve) - 2
    assert curve[-1] > 1.05 * best
    assert decayed.validation["excess_loss"][-1] < curve[-1] - 0.04
    assert decayed.train_loss[-1] > plain.train_loss[-1]
    assert plain.validation["tokens"][-1] == 32 * 600 * 16


def test_the_training_set_is_small_and_the_language_that_of_lm_markov():
    task, markov = registry.get("task", NAME), registry.get("task", "lm_markov")
    data = task.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    assert data.train.targets.numel() == 8192
    assert torch.equal(task.problem.table, markov.problem.table)
    assert task.budget / len(data.train) == pytest.approx(37.5)
