"""The digits: standardized images, and a stream of pixel permutations."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from suite.components import registry
from suite.errors import MissingData
from suite.training.loop import run_trial
from suite.training.trial import Trial

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


def raw():
    """The module that reads the digits."""
    registry.get("task", "digits")
    return sys.modules["suite_tasks.vision.digits_data"]


def test_the_raw_values_are_those_of_scikit_learn():
    pixels, labels = raw()._raw_digits()
    expected = load_digits()
    for found, there in ((pixels, expected.data), (labels, expected.target)):
        assert found.dtype == there.dtype
        assert np.array_equal(found, there)


def test_without_the_file_the_error_says_what_to_do(monkeypatch, tmp_path):
    missing = ModuleSpec("sklearn", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: missing)
    with pytest.raises(MissingData, match=r"digits.csv.gz is missing.*install scikit-learn again"):
        raw()._raw_digits()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingData, match="install scikit-learn"):
        raw()._raw_digits()


def task_images(batches, task: int, count: int) -> torch.Tensor:
    """The next images of a stream when so many tasks' share of the budget is spent."""
    batches.progress = task / batches.tasks
    return torch.cat([inputs for inputs, _ in islice(batches, count)])


def permuted_alike(images: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether the same pixels are never anything but blank: so they are if moved alike."""
    return torch.equal(images.std(0) == 0, others.std(0) == 0)


def test_every_task_permutes_the_pixels_of_all_images_anew(stream):
    train = stream.problem.data(Path("unused"), torch.Generator()).train
    batches = stream.problem.batches(train, 16, torch.Generator().manual_seed(0))
    per_task = len(train) // 16
    original = {tuple(sorted(row)) for row in train.inputs.tolist()}
    first, second = (task_images(batches, task, per_task) for task in (0, 1))
    for images in (first, second):
        # The same images: their pixels in another order, each image once.
        assert len({tuple(row) for row in images.tolist()}) == len(images) == per_task * 16
        assert {tuple(sorted(row)) for row in images.tolist()} <= original
        assert not permuted_alike(images, train.inputs)
    assert not permuted_alike(first, second)
    assert permuted_alike(second, task_images(batches, 1, per_task))


def test_every_method_meets_every_task_whatever_a_step_costs(stream):
    """A method that pays four times a step must not meet fewer tasks: fewer are easier."""
    train = stream.problem.data(Path("unused"), torch.Generator()).train
    cheap, dear = (
        stream.problem.batches(train, 32, torch.Generator().manual_seed(3)) for _ in range(2)
    )
    for task in (0, 1, 40, 79):
        assert permuted_alike(task_images(cheap, task, 56), task_images(dear, task, 56 * 2))
    assert dear.tasks == 80


def test_stream_evaluates_whole_tasks(stream):
    assert stream.problem.tasks % stream.evaluations == 0
    assert stream.gradient_evaluations == stream.problem.tasks * (1797 // 32)


def test_online_accuracy_is_measured_before_the_update(stream):
    """With a vanishing learning rate nothing is learned: every window stays at chance."""
    hyperparameters = {"adamw": {"lr": 1e-12, "weight_decay": 1e-3}}
    fraction = 5 / stream.evaluations
    trial = Trial(
        stream.name, (("optimizer", "adamw"),), hyperparameters, 0, 0, "evaluation", fraction
    )
    run = run_trial(trial).run
    _, *accuracy = run.curve.test["accuracy"]
    assert len(accuracy) == 5
    assert all(0.0 < value < 0.25 for value in accuracy)
    assert run.test_score == pytest.approx(sum(accuracy) / 5, rel=1e-5)
    assert run.cost.gradient_evaluations == 5 * 2 * (1797 // 32)
