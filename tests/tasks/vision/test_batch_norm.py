"""The network with batch norm: what is normalized, and by which statistics it is measured."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from suite.components import registry
from suite.components.parameters import describe_parameters
from suite.training.loop import run_trial
from suite.training.trial import Trial

TASK = registry.get("task", "digits_batchnorm")


def test_every_convolution_is_normalized_and_has_no_bias_that_this_would_subtract():
    layers = list(TASK.problem.model())
    pairs = [(layer, after) for layer, after in pairwise(layers) if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer, _ in pairs] == [16, 32]
    for layer, after in pairs:
        assert layer.bias is None
        assert isinstance(after, nn.BatchNorm2d)
        assert after.track_running_stats
        assert after.affine


def test_images_are_read_as_eight_rows():
    model = TASK.problem.model()
    data = TASK.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    assert model[0](data.train.inputs).shape == (500, 1, 8, 8)
    assert model[:4](data.train.inputs).shape == (500, 16, 8, 8)
    assert model(data.train.inputs).shape == (500, 10)


def test_the_last_layer_is_the_head_and_the_convolutions_are_hidden():
    model = TASK.problem.model()
    describe_parameters(model)
    assert [layer.weight.role for layer in model if isinstance(layer, nn.Conv2d)] == [
        "conv",
        "conv",
    ]
    assert model[-1].weight.role == "head"


def test_running_statistics_are_of_training_batches_and_measured_with():
    """Untrained, the statistics are 0 and 1; the first batches move them."""
    torch.manual_seed(0)
    model = TASK.problem.model()
    data = TASK.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    norm = model[2]
    model.train()(data.train.inputs[:250])
    seen = norm.running_mean.clone()
    assert float(seen.abs().max()) > 0
    model.eval()
    with torch.no_grad():
        TASK.problem.evaluate(model, data.test)
    assert torch.equal(norm.running_mean, seen)


def test_it_is_learned():
    adamw = {"adamw": {"lr": 0.03, "weight_decay": 0.01}}
    trial = Trial(TASK.name, (("optimizer", "adamw"),), adamw, 0, 0, "evaluation", 0.25)
    run = run_trial(trial).run
    assert run.status == "completed"
    assert run.curve.test["accuracy"][-1] > 0.6
