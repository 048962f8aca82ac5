"""TSLA: smoothed labels before a certain epoch, plain ones from it on."""

import dataclasses

import pytest
import torch
from torch import nn

from suite import NotApplicable
from suite.components import registry
from tests.objectives import make_info, make_objective, small_batch, small_model

TSLA = registry.get("regularizer", "tsla").build


def info(**changes):
    return dataclasses.replace(make_info(), loss="cross_entropy", **changes)


@pytest.mark.parametrize("epochs", [10.0, 12.5])
def test_smoothing_ends_with_an_epoch(epochs):
    theta = 0.3
    tsla, model = TSLA(theta=theta, drop=0.75), small_model()
    tsla.attach(model, info(epochs=epochs))
    objective = make_objective(model, regularizers=[tsla])
    inputs, targets = small_batch()
    outputs = model(inputs).detach()
    smooth = nn.functional.cross_entropy(outputs, targets, label_smoothing=theta)
    plain = nn.functional.cross_entropy(outputs, targets)
    switch = {10.0: 7, 12.5: 9}[epochs] / epochs  # whole epochs within three quarters
    for progress, expected in (
        (0.0, smooth),
        (switch - 1e-9, smooth),
        (switch + 1e-9, plain),
        (1.0, plain),
    ):
        tsla.progress = progress
        torch.testing.assert_close(objective(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("epochs", [None, 0.5])
def test_without_whole_epochs_it_ends_at_the_share(epochs):
    tsla = TSLA(theta=0.3, drop=0.6)
    tsla.attach(small_model(), info(epochs=epochs))
    assert tsla._share == 0.6


def test_another_loss_is_refused():
    with pytest.raises(NotApplicable):
        TSLA(theta=0.3, drop=0.6).attach(small_model(), dataclasses.replace(info(), loss="mse"))
