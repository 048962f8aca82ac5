"""Cautious updates against the paper's rule, and what they leave alone."""

from __future__ import annotations

import pytest
import torch

from suite.components import registry
from tests.objectives import gradients_of, small_batch, small_model, snapshot
from tests.suite.training.test_steps import make_steps

Cautious = registry.get("regularizer", "cautious").build


def masked(update, gradient):
    """Liang et al. 2024: u times (u g > 0), times d / (ones + 1); u is subtracted."""
    mask = (update * gradient > 0).double()
    return update * mask * (mask.numel() / (mask.sum() + 1))


def test_around_lion_the_decay_is_applied_unmasked():
    lr, decay = 0.01, 3.0
    build = registry.get("optimizer", "lion").build
    steps, model, *_ = make_steps(lambda p: build(p, lr=lr, weight_decay=decay), Cautious())
    reference = small_model()
    momenta = [torch.zeros_like(w) for w in snapshot(reference)]
    left_out = 0
    steps.start()
    for step in range(8):
        steps.take(0.0)
        gradients = gradients_of(reference, small_batch(step))
        for i, (p, g) in enumerate(zip(reference.parameters(), gradients, strict=True)):
            update = (0.9 * momenta[i] + 0.1 * g).sign()
            momenta[i] = 0.99 * momenta[i] + 0.01 * g
            left_out += int((update * g < 0).sum())
            p.data = p.detach() * (1 - lr * decay) - lr * masked(update, g)
        for p, q in zip(model.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-12)
    assert left_out


@pytest.mark.parametrize("name", ["lion", "sophia_g", "muon", "adamw"])
def test_optimizers_with_decoupled_decay_say_so(name):
    component = registry.get("optimizer", name)
    model = small_model()
    built = component.build(list(model.parameters()), **component.defaults)
    assert all(group["decoupled_weight_decay"] for group in built.param_groups)
