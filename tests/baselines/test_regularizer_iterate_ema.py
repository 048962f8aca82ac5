"""The averaged weights on sequences whose average is known."""

from __future__ import annotations

import torch

from suite.components import registry
from tests.suite.training.test_steps import make_steps, norm_model, sgd, take

IterateEMA = registry.get("regularizer", "iterate_ema").build


def average_of(values, regularizer):
    """The average after weights that took these values, one after the other."""
    found = {}
    for value in values:
        found = regularizer.average({"weight": torch.tensor(value, dtype=torch.float64)})
    return found["weight"]


def test_weighted_mean_of_the_iterates():
    decay, values = 0.8, [1.0, -2.0, 4.0, 0.5]
    factors = [decay ** (len(values) - 1 - i) for i in range(len(values))]
    expected = sum(f * v for f, v in zip(factors, values, strict=True)) / sum(factors)
    found = average_of(values, IterateEMA(decay=decay))
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_initial_weights_have_no_part():
    assert float(average_of([3.0], IterateEMA(decay=0.999))) == 3.0


def test_training_does_not_see_the_average():
    steps, model, *_ = make_steps(sgd, IterateEMA(decay=0.9))
    plain, other, *_ = make_steps(sgd)
    take(steps, 4)
    take(plain, 4)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
    assert not torch.equal(steps.average["0.weight"], model[0].weight)


def test_running_statistics_are_averaged_and_counters_are_not():
    steps, model, *_ = make_steps(sgd, IterateEMA(decay=0.5), model=norm_model())
    means = []
    steps.start()
    for _ in range(2):
        steps.take(0.0)
        steps.take_average()
        means.append(model[1].running_mean.clone())
    expected = (means[0] + 2 * means[1]) / 3
    torch.testing.assert_close(steps.average["1.running_mean"], expected)
    assert "1.num_batches_tracked" not in steps.average
