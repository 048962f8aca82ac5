"""The averaged weights on sequences whose average is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from suite.components import registry

IterateEMA = registry.get("regularizer", "iterate_ema").build


def linear() -> nn.Linear:
    return nn.Linear(1, 1, bias=False)


def steps(regularizer, model: nn.Module, values: list[float]) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for value in values:
        with torch.no_grad():
            model.weight.fill_(value)
            regularizer.after_step(model, optimizer)


def test_weighted_mean_of_the_iterates():
    decay, values = 0.8, [1.0, -2.0, 4.0, 0.5]
    model, regularizer = linear(), IterateEMA(decay=decay)
    steps(regularizer, model, values)
    factors = [decay ** (len(values) - 1 - i) for i in range(len(values))]
    expected = sum(f * v for f, v in zip(factors, values, strict=True)) / sum(factors)
    averaged = regularizer.averaged(model)
    torch.testing.assert_close(averaged(torch.ones(1, 1)), torch.tensor([[expected]]))
    assert model.weight.item() == values[-1], "training must not see the average"


def test_initial_weights_have_no_part():
    model, regularizer = linear(), IterateEMA(decay=0.999)
    with torch.no_grad():
        model.weight.fill_(100.0)
    steps(regularizer, model, [3.0])
    assert float(regularizer.averaged(model)(torch.ones(1, 1))) == 3.0


def test_before_the_first_step_the_model_itself_is_evaluated():
    model = linear()
    assert IterateEMA(decay=0.9).averaged(model) is model


def test_running_statistics_are_averaged_and_counters_are_not():
    model, regularizer = nn.BatchNorm1d(1), IterateEMA(decay=0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for mean in (0.0, 3.0):
        model.running_mean.fill_(mean)
        model.num_batches_tracked += 1
        with torch.no_grad():
            regularizer.after_step(model, optimizer)
    averaged = regularizer.averaged(model).eval()
    # factors 1/3 and 2/3: a mean of 2, with variance 1
    found = averaged(torch.full((1, 1), 2.0))
    torch.testing.assert_close(found, torch.zeros(1, 1))
    assert int(model.num_batches_tracked) == 2
    assert float(model.running_mean) == 3.0


@pytest.mark.parametrize("normalized", [False, True])
def test_the_model_keeps_its_weights_and_mode_is_passed_on(normalized):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    if normalized:
        nn.utils.parametrizations.weight_norm(model[0])
    regularizer = IterateEMA(decay=0.9)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with torch.no_grad():
        regularizer.after_step(model, optimizer)
    inputs = torch.randn(5, 3)
    averaged = regularizer.averaged(model).eval()
    torch.testing.assert_close(averaged(inputs), model(inputs))
    assert not model[1].training
