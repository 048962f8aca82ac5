"""Early dropout drops early, and only then."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from suite import NotApplicable, TaskInfo
from suite.components import registry

EarlyDropout = registry.get("regularizer", "early_dropout").build
INFO = TaskInfo(8, 100, 3, torch.Generator())


def attached(shape: str = "linear", rate: float = 0.4, until: float = 0.5):
    model = nn.Sequential(nn.ReLU())
    regularizer = EarlyDropout(rate=rate, until=until, shape=shape)
    regularizer.attach(model, INFO)
    return model, regularizer


def dropped_share(model: nn.Module) -> float:
    return float((model(torch.ones(100, 100)) == 0).float().mean())


@pytest.mark.parametrize(
    ("shape", "progress", "rate"),
    [
        ("linear", 0.0, 0.4),
        ("linear", 0.25, 0.2),
        ("linear", 0.5, 0.0),
        ("constant", 0.0, 0.4),
        ("constant", 0.49, 0.4),
        ("constant", 0.5, 0.0),
        ("constant", 0.99, 0.0),
    ],
)
def test_rate_over_the_budget(shape, progress, rate):
    torch.manual_seed(0)
    model, regularizer = attached(shape)
    regularizer.progress = progress
    assert regularizer.current_rate == pytest.approx(rate)
    assert dropped_share(model) == pytest.approx(rate, abs=0.02)


def test_what_is_kept_is_scaled_up():
    model, _ = attached(rate=0.2)
    kept = model(torch.ones(100, 100))
    assert set(kept.unique().tolist()) == {0.0, 1.25}


def test_none_in_evaluation_mode():
    model, _ = attached()
    assert dropped_share(model.eval()) == 0


def test_every_use_of_a_shared_activation():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, inputs):
            return self.relu(self.relu(inputs))

    torch.manual_seed(0)
    model = Twice()
    EarlyDropout(rate=0.4, until=0.5, shape="constant").attach(model, INFO)
    assert dropped_share(model) == pytest.approx(1 - 0.6**2, abs=0.02)


def test_needs_an_activation():
    with pytest.raises(NotApplicable, match="activation"):
        EarlyDropout(rate=0.1, until=0.2, shape="linear").attach(nn.Linear(2, 2), INFO)
