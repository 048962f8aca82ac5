"""EWC: the penalty's value and gradient, from examples one by one."""

import dataclasses

import pytest
import torch

from suite import NotApplicable
from suite.components import registry
from tests.objectives import (
    EXAMPLES,
    gradients_of,
    make_info,
    make_objective,
    small_batch,
    small_model,
    snapshot,
    tangent_for,
)

EWC = registry.get("regularizer", "ewc").build


def test_gradient_with_penalties_of_two_tasks():
    strength, model = 3.0, small_model()
    ewc = EWC(strength=strength)
    ewc.attach(model, dataclasses.replace(make_info(), tasks=3))
    objective = make_objective(model, regularizers=[ewc])
    inputs, targets = small_batch()
    held = []
    for task in (1, 2):
        spent = objective.spent
        ewc.on_task_change(model, task)
        assert objective.spent - spent == EXAMPLES
        each = [gradients_of(model, (inputs[i : i + 1], targets[i : i + 1])) for i in range(12)]
        fisher = [torch.stack(gs).square().mean(0) for gs in zip(*each, strict=True)]
        held.append((fisher, snapshot(model)))
        with torch.no_grad():
            for p, t in zip(model.parameters(), tangent_for(model, seed=task), strict=True):
                p.add_(0.1 * t)
    expected = gradients_of(model)
    penalty = 0.0
    for fisher, weights in held:
        for i, (p, f, w) in enumerate(zip(snapshot(model), fisher, weights, strict=True)):
            expected[i] = expected[i] + strength * f * (p - w)
            penalty += strength / 2 * float((f * (p - w) ** 2).sum())
    objective()
    for p, g in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, g, rtol=0, atol=1e-12)
    assert float(ewc.penalty(model).detach()) == pytest.approx(penalty, rel=1e-12)


def test_before_the_first_change_there_is_no_penalty():
    assert float(EWC(strength=1.0).penalty(small_model())) == 0.0


def test_a_task_without_boundaries_is_refused():
    with pytest.raises(NotApplicable, match="when tasks change"):
        EWC(strength=1.0).attach(small_model(), make_info())
