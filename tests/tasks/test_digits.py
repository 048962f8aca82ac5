"""The digits: standardized images, and a stream of pixel permutations."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from suite import registry
from suite.training import Trial, run_trial

PIXELS = torch.from_numpy(load_digits().data)


@pytest.fixture(scope="module")
def stream():
    return registry.get("task", "permuted_digits")


def test_images_are_the_real_ones_standardized():
    task = registry.get("task", "digits")
    data = task.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    images = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs])
    assert images.shape == PIXELS.shape
    assert images.mean().abs() < 1e-5
    assert (images.std() - 1).abs() < 1e-3
    restored = images.double() * PIXELS.std(correction=0) + PIXELS.mean()
    expected = sorted(PIXELS.round().int().tolist())
    assert sorted(restored.round().int().tolist()) == expected


def test_stream_permutes_pixels_anew_every_pass(stream):
    train = stream.problem.data(Path("unused"), torch.Generator()).train
    batches = stream.problem.batches(train, 16, torch.Generator().manual_seed(0))
    per_task = len(train) // 16
    passes = [torch.cat([inputs for inputs, _ in islice(batches, per_task)]) for _ in range(3)]
    original = {tuple(sorted(row)) for row in train.inputs.tolist()}
    for images in passes:
        # The same images: their pixels in another order, each image once.
        assert len({tuple(row) for row in images.tolist()}) == len(images) == per_task * 16
        assert {tuple(sorted(row)) for row in images.tolist()} <= original
    # One permutation for a whole pass: the ever-blank pixels are the same ones in each half.
    blank = [[(half.std(0) == 0).tolist() for half in images.chunk(2)] for images in passes]
    unmoved = (train.inputs.std(0) == 0).tolist()
    for first, second in blank:
        shared = [a and b for a, b in zip(first, second, strict=True)]
        assert sum(shared) >= sum(unmoved) > 0
        assert shared != unmoved
    assert blank[0][0] != blank[1][0] != blank[2][0]


def test_stream_evaluates_whole_tasks(stream):
    batches_per_task = 1797 // 32
    window = stream.gradient_evaluations / stream.evaluations
    assert window % batches_per_task == 0
    # A method that pays twice a step sees half as many tasks, and still whole ones.
    assert (window / 2) % batches_per_task == 0


def test_online_accuracy_is_measured_before_the_update(stream):
    """With a vanishing learning rate nothing is learned: every window stays at chance."""
    hyperparameters = {"adamw": {"lr": 1e-12, "weight_decay": 1e-3}}
    fraction = 2 / stream.evaluations
    trial = Trial(
        stream.name, (("optimizer", "adamw"),), hyperparameters, 0, 0, "evaluation", fraction
    )
    run = run_trial(trial).run
    accuracy = run.curve.test["accuracy"]
    assert len(accuracy) == 2
    assert all(0.0 < value < 0.25 for value in accuracy)
    assert run.test_score == pytest.approx(max(0.1, sum(accuracy) / 2), rel=1e-5)
    assert run.cost.gradient_evaluations == 2 * 2 * (1797 // 32)
