"""The task that shows weight decay's bound on every weight."""

from __future__ import annotations

import pytest
import torch

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial


@pytest.fixture(scope="module")
def problem():
    return registry.get("task", "large_solution").problem


def test_the_solution_has_large_weights_of_both_signs(problem):
    data = problem.data(None, torch.Generator().manual_seed(0))
    solution = torch.linalg.lstsq(data.train.inputs, data.train.targets).solution
    assert solution.abs().min() >= 2.0
    assert solution.abs().max() <= 6.0
    assert solution.min() < 0 < solution.max()
    model = problem.model()
    with torch.no_grad():
        assert problem.evaluate(model, data.test)["largest_weight"] == 0.0
        model[0].weight.copy_(solution)
        found = problem.evaluate(model, data.test)
    assert found["largest_weight"] == pytest.approx(float(solution.abs().max()))
    assert found["log10_error"] < -6


def test_lion_keeps_every_weight_within_the_bound():
    """Chen et al. 2024: |w| <= 1 / weight_decay; here the loss wants weights of 2 to 6."""
    values = {"lion": {"lr": 1e-2, "weight_decay": 1.0}}
    trial = Trial("large_solution", (("optimizer", "lion"),), values, 0, 1, "evaluation", 1.0)
    largest = run_trial(trial).run.curve.test["largest_weight"]
    assert 0.99 < largest[-1] <= max(largest) <= 1.0
