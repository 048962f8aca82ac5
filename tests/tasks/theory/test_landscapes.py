"""Large steps leave narrow minima, small ones stay; nothing in it is random."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch.optim import SGD

from suite.components import registry
from tests.tasks._trials import train


@pytest.fixture(scope="module")
def task():
    return registry.get("task", "large_lr_gd_special")


def test_height_by_hand(task):
    problem = type(task.problem)(coordinates=1, dips=1, start=4.0, depth=0.5, width=0.1)
    model = problem.model()
    with torch.no_grad():
        model.position.fill_(1.0)  # so x = 3
        in_a_dip, far_away, half_way = model(torch.tensor([[[3.0]], [[1.0]], [[3.1]]]))
    assert float(far_away) == pytest.approx(4.5)
    assert float(in_a_dip) == pytest.approx(4.0)
    assert float(half_way) == pytest.approx(4.5 - 0.5 * 2.718281828**-0.5)


def test_dips_lie_elsewhere_in_held_out_landscapes(task):
    data = task.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    assert torch.isin(data.train.inputs, data.test.inputs).float().mean() < 0.1
    for split in (data.train, data.validation, data.test):
        assert split.inputs.min() >= 1
        assert split.inputs.max() <= task.problem.start


def test_only_large_steps_reach_the_wide_minimum(task):
    problem = task.problem
    stable = 2 * problem.width**2 / problem.depth  # larger steps cannot stay in a dip
    small, large = stable / 4, 0.5
    trapped = train(task, partial(SGD, lr=small), steps=1500)
    free = train(task, partial(SGD, lr=large), steps=1500)
    assert trapped.test_score > 1.0
    assert free.test_score < 1e-3
    # The trapped run has come to rest: more time does not help.
    heights = trapped.curve.test["loss"]
    assert heights[-1] == pytest.approx(heights[-5], rel=2e-2)
