"""SWA: the plain mean of the weights at the ends of epochs."""

import dataclasses

import torch

from suite.components import registry
from tests.objectives import EXAMPLES, make_info, snapshot
from tests.suite.training.test_steps import make_steps, sgd


def test_mean_of_the_weights_at_ends_of_epochs_after_the_start():
    swa = registry.get("regularizer", "swa").build(start=0.5)
    steps, model, *_ = make_steps(sgd, swa)
    swa.attach(model, dataclasses.replace(make_info(steps=200), examples=3 * EXAMPLES))
    kept = []
    steps.start()
    for number in range(1, 21):
        swa.progress = number / 20
        steps.take(swa.progress)
        steps.take_average()
        if number >= 10 and number % 3 == 0:
            kept.append(snapshot(model))
        means = (
            [torch.stack(each).mean(0) for each in zip(*kept, strict=True)]
            if kept
            else snapshot(model)
        )
        for average, mean in zip(steps.average.values(), means, strict=True):
            torch.testing.assert_close(average, mean, rtol=0, atol=1e-12)
    assert len(kept) == 3


def test_a_short_budget_and_a_stream_are_averaged_more_often():
    swa = registry.get("regularizer", "swa").build(start=0.75)
    for examples, steps, period in ((1000 * EXAMPLES, 400, 10), (None, 400, 1), (12, 20, 1)):
        swa.attach(None, dataclasses.replace(make_info(steps=steps), examples=examples))
        assert swa._period == period
