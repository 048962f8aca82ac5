"""Layca: norms stay exactly, and each layer rotates by the rate."""

import math

import pytest
import torch

from suite.components import registry
from tests.objectives import gradients_of, small_batch, small_model, snapshot
from tests.suite.training.test_steps import adamw, make_steps, sgd

Layca = registry.get("regularizer", "layca").build


@pytest.mark.parametrize("optimizer", [sgd, adamw])
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_norms_stay_and_layers_rotate_by_the_rate(optimizer, factor):
    rate = 0.1
    schedules = [lambda progress: factor]
    steps, model, *_ = make_steps(optimizer, Layca(rate=rate), schedules=schedules)
    first = [w.norm() for w in snapshot(model)]
    steps.start()
    for _ in range(6):
        before = snapshot(model)
        steps.take(0.0)
        for old, new, norm in zip(before, snapshot(model), first, strict=True):
            if old.ndim < 2:
                continue
            assert float(new.norm() / norm) == pytest.approx(1, abs=1e-12)
            cosine = float((old * new).sum() / old.norm() / new.norm())
            assert math.tan(math.acos(cosine)) == pytest.approx(rate * factor, abs=1e-7)


def test_steps_are_those_of_the_paper():
    rate = 0.07
    steps, model, *_ = make_steps(sgd, Layca(rate=rate))
    reference = small_model()
    steps.start()
    for step in range(5):
        steps.take(0.0)
        gradients = gradients_of(reference, small_batch(step))
        for p, q, g in zip(model.parameters(), reference.parameters(), gradients, strict=True):
            w = q.detach()
            if w.ndim < 2:
                q.data = w - 0.1 * g
            else:
                tangent = g - (g * w).sum() * w / w.norm() ** 2
                new = w - rate * tangent / tangent.norm() * w.norm()
                q.data = new / new.norm() * w.norm()
            torch.testing.assert_close(p.detach(), q.detach(), rtol=0, atol=1e-12)
