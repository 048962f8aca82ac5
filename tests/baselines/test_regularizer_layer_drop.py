"""Layer drop: which layers rest, and how often."""

from __future__ import annotations

import torch

from suite.components import registry
from tests.objectives import make_info, small_model, snapshot
from tests.suite.training.test_steps import make_steps

LayerDrop = registry.get("regularizer", "layer_drop").build


def test_layers_below_the_drawn_one_keep_weights_and_state():
    """The small model has two layers: the upper one is always trained, the lower one half of it."""
    model, drop = small_model(), LayerDrop()
    drop.attach(model, make_info())
    steps, *_ = make_steps(lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9), drop, model=model)
    upper, lower = 0, 0
    steps.start()
    for _ in range(200):
        before = snapshot(model)
        steps.take(0.0)
        moved = [not torch.equal(p, w) for p, w in zip(model.parameters(), before, strict=True)]
        assert moved[0] == moved[1]
        assert moved[2] == moved[3]
        upper, lower = upper + moved[2], lower + moved[0]
    assert upper == 200
    assert 75 < lower < 125
