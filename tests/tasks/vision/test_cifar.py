"""The CIFAR-10 tasks on tiny made-up images: splits, augmentation, network, a whole short trial."""

from __future__ import annotations

import dataclasses
import sys

import pytest
import torch

from suite.components import registry
from suite.errors import MissingData
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.images import write_image_folders

FRACTION = 2 * 128 / 100_000


@pytest.fixture(scope="module")
def mini():
    return registry.get("task", "cifar10_mini")


@pytest.fixture(scope="module")
def module(mini):
    return sys.modules[type(mini.problem).__module__]


@pytest.fixture
def data(tmp_path, monkeypatch, module):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    write_image_folders(tmp_path, train=6, test=3)
    problem = module.Cifar10(train=40, validation=15, test=25, widths=(4, 8, 8))
    return problem.data(tmp_path, torch.Generator().manual_seed(0))


def rows(images):
    return {tuple(row) for row in images.flatten(1).tolist()}


def test_splits_have_the_declared_sizes_and_are_disjoint(data):
    found = [rows(split.inputs) for split in (data.train, data.validation, data.test)]
    assert [len(f) for f in found] == [40, 15, 25]
    assert len(set.union(*found)) == 80
    assert not data.canonical
    assert data.source == "CIFAR-10, image folders"


def test_too_few_images_are_named_as_such(tmp_path, monkeypatch, mini):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    write_image_folders(tmp_path, train=1, test=1)
    trial = Trial(mini.name, (("optimizer", "adamw"),), {"adamw": {}}, 0, 0, "tuning")
    with pytest.raises(MissingData, match="needs 6,000 train images, and 10 are there"):
        run_trial(Trial(**{**vars(trial), "data_folder": str(tmp_path)}))


def test_batches_reach_no_held_out_images(data, module):
    from tests.suite.training.test_isolation import reachable

    problem = module.Cifar10(train=40, validation=15, test=25, widths=(4, 8, 8))
    batches = problem.batches(data.train, 8, torch.Generator())
    next(batches)
    held_out = rows(module.pack(data.validation.inputs)) | rows(module.pack(data.test.inputs))
    tensors = [t for t in reachable(batches) if isinstance(t, torch.Tensor) and t.ndim == 3]
    assert rows(module.pack(data.train.inputs)) & set.union(*map(rows, tensors))
    assert not any(rows(tensor) & held_out for tensor in tensors)


def test_augmentation_mirrors_and_shifts_by_up_to_two_pixels(module):
    torch.manual_seed(0)
    images = torch.randint(0, 256, (200, 3, 32, 32), dtype=torch.uint8)
    packed = module.pack(images)
    changed = module.flip_and_shift(packed, torch.Generator().manual_seed(0))
    assert changed.shape == images.shape
    assert changed.is_contiguous(memory_format=torch.channels_last)
    padded = torch.nn.functional.pad(module.normalize(images), (2, 2, 2, 2), mode="reflect")
    seen = set()
    for before, after in zip(padded, changed, strict=True):
        matches = [
            (flip, row, column)
            for flip in (False, True)
            for row in range(5)
            for column in range(5)
            if torch.equal(_crop(before, flip, row, column), after)
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert {flip for flip, _, _ in seen} == {False, True}
    assert {row for _, row, _ in seen} == {column for _, _, column in seen} == set(range(5))
    # The same generator state, the same images.
    again = module.flip_and_shift(packed, torch.Generator().manual_seed(0))
    assert torch.equal(changed, again)


def _crop(padded, flip, row, column):
    crop = padded[:, row : row + 32, column : column + 32]
    return crop.flip(2) if flip else crop


def test_the_network_keeps_the_usual_weight_layout(mini):
    """Methods reshape weights freely: only the images are stored channels last."""
    model = mini.problem.model()
    model(torch.zeros(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)).sum().backward()
    for parameter in model.parameters():
        assert parameter.is_contiguous()
        assert parameter.grad.is_contiguous()


def test_a_short_trial_runs_from_image_folders(tmp_path, monkeypatch, mini, module):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    write_image_folders(tmp_path, train=20, test=5)
    problem = module.Cifar10(train=150, validation=50, test=50, widths=mini.problem.widths)
    smaller = dataclasses.replace(mini, problem=problem)
    hyperparameters = {"adamw": registry.get("optimizer", "adamw").defaults}
    components = (("optimizer", "adamw"),)
    trial = Trial(
        *(mini.name, components, hyperparameters, 0, 0, "evaluation", FRACTION),
        data_folder=str(tmp_path),
    )
    with registry.replaced(smaller):
        outcome = run_trial(trial)
    assert outcome.run.status == "completed", outcome.run.traceback
    assert outcome.run.cost.steps == 2
    assert not outcome.data.canonical
