"""Attacks stay within their limits and find what they must; the delay is read from the curve."""

from __future__ import annotations

import sys

import pytest
import torch

from suite import Split
from suite.components import registry
from suite.problems.problem import Point
from suite.training.loop import run_trial
from suite.training.trial import Trial

TASK = registry.get("task", "delayed_robustness_mini")
MODULE = sys.modules[type(TASK.problem).__module__]
ATTACKS = sys.modules[MODULE.robust_metrics.__module__]


def linear(inputs):
    """Class 1 if the coordinates' sum is positive."""
    return torch.stack([-inputs.sum(1), inputs.sum(1)], 1)


@pytest.mark.parametrize("steps", [1, 5])
def test_on_a_linear_model_the_attack_is_the_worst_case(steps):
    inputs = torch.tensor([[0.5, 0.5], [-0.5, 0.1]])
    targets = torch.tensor([1, 0])
    moved = ATTACKS.attack(linear, inputs, targets, radius=0.2, steps=steps, limits=(-0.6, 0.6))
    assert torch.allclose(moved, torch.tensor([[0.3, 0.3], [-0.3, 0.3]]))


def test_attacked_inputs_stay_inputs():
    inputs = torch.tensor([[-1.0, 0.9]])
    moved = ATTACKS.attack(
        linear, inputs, torch.tensor([0]), radius=0.5, steps=5, limits=(-1.0, 1.0)
    )
    assert torch.allclose(moved, torch.tensor([[-0.5, 1.0]]))


def test_metrics_by_hand():
    """Margins 1, 0.3 and -1 against an attack that moves the sum by 0.4."""
    inputs = torch.tensor([[0.5, 0.5], [0.2, 0.1], [-0.5, -0.5]])
    split = Split(inputs, torch.tensor([1, 1, 1]))
    metrics = ATTACKS.robust_metrics(linear, split, radius=0.2, steps=5, limits=(-1.0, 1.0))
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["fgsm_accuracy"] == metrics["robust_accuracy"] == pytest.approx(1 / 3)


def test_delay_by_hand():
    clean, robust = (0.5, 0.9, 1.0, 1.0, 1.0), (0.0, 0.1, 0.1, 0.5, 0.52)
    history = [
        Point((i + 1) / 5, {"accuracy": a, "robust_accuracy": r})
        for i, (a, r) in enumerate(zip(clean, robust, strict=True))
    ]
    delay = ATTACKS.robustness_delay(history)["robustness_delay"]
    assert delay == pytest.approx(4 / 5 - 2 / 5)


def test_attacks_are_measured_without_being_charged():
    components = (("optimizer", "adamw"),)
    defaults = {"adamw": registry.get("optimizer", "adamw").defaults}
    fraction = 20.5 * TASK.batch_size / TASK.budget
    run = run_trial(Trial(TASK.name, components, defaults, 0, 0, "evaluation", fraction)).run
    assert run.status == "completed", run.traceback
    assert run.cost.gradient_evaluations == run.cost.steps == 20
    curve = run.curve.test
    assert curve["robust_accuracy"][-1] <= curve["fgsm_accuracy"][-1] < curve["accuracy"][-1]


def test_the_cifar_network_has_no_normalization():
    model = registry.get("task", "delayed_robustness").problem.model()
    assert not [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
