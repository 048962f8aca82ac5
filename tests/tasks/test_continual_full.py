"""The full streams end to end on made-up images: one short trial each, and who belongs where."""

from __future__ import annotations

import copy
import dataclasses
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from suite.components import registry
from suite.data import Images
from suite.data.split import Split
from suite.training.loop import run_trial
from suite.training.trial import Trial

#: image shape and number of classes
SHAPES = {
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "mnist": ((1, 28, 28), 10),
    "emnist_balanced": ((1, 28, 28), 47),
}
SPLIT = (
    "split_cifar10",
    "split_cifar10_task",
    "split_cifar100",
    "split_cifar100_task",
    "incremental_cifar100",
    "continual_binary_cifar100",
)
ONLINE = (
    "online_permuted_mnist",
    "input_permuted_mnist",
    "label_permuted_emnist",
    "label_permuted_cifar10",
)


def pictures(name: str, *_: object, **__: object) -> Images:
    """Random pictures of the data set's shape, four of every class."""
    shape, classes = SHAPES[name]
    random = np.random.default_rng(0)
    splits = []
    for _ in range(2):
        pixels = random.integers(0, 256, (4 * classes, *shape), dtype=np.uint8)
        splits.append(Split(torch.from_numpy(pixels), torch.arange(4 * classes) % classes))
    return Images(*splits, fingerprint="0" * 16, canonical=False, source="made up")


def problem_on_pictures(name: str, monkeypatch):
    """The task's problem with made-up images instead of files; few in each split."""
    problem = copy.copy(registry.get("task", name).problem)
    if name in SPLIT:
        half = 2 * problem.classes
        problem.train, problem.validation, problem.test = half, half, 2 * half
    monkeypatch.setitem(problem.data.__func__.__globals__, "load_images", pictures)
    return problem


def load(problem):
    return problem.data(Path("unused"), torch.Generator().manual_seed(0))


def first_batch(problem, number: int, size: int):
    stream = problem.batches(load(problem).train, size, torch.Generator().manual_seed(0))
    stream.progress = number / problem.tasks
    return next(stream)


#: the networks of the others are these
TRAINED = ("split_cifar10_task", "continual_binary_cifar100", *ONLINE[1:])


@pytest.mark.parametrize("name", TRAINED)
def test_a_short_trial_completes(name, monkeypatch):
    problem = problem_on_pictures(name, monkeypatch)
    task = registry.get("task", name)
    size = min(4, task.batch_size)
    if problem.online:
        problem.tasks = 3
    tasks = problem.tasks  # each must get a batch
    few = dataclasses.replace(task, problem=problem, batch_size=size, budget=tasks * size)
    few = dataclasses.replace(few, evaluations=1)
    adamw = {"adamw": {"lr": 1e-3, "weight_decay": 0.01}}
    with registry.replaced(few):
        run = run_trial(Trial(name, (("optimizer", "adamw"),), adamw, 0, 0, "evaluation")).run
    assert run.status == "completed", run.reason
    assert run.cost.steps >= tasks  # more where a task has fewer images than a batch
    assert set(run.curve.test) >= {task.score.metric}
    if problem.online:
        assert {"accuracy", "loss", "plasticity"} == set(run.curve.test)
    else:
        assert f"accuracy_task_{problem.tasks}" in run.curve.test


@pytest.mark.parametrize(("name", "classes"), list(zip(SPLIT[:4], (2, 2, 10, 10), strict=True)))
def test_each_task_has_its_own_classes(name, classes, monkeypatch):
    problem = problem_on_pictures(name, monkeypatch)
    for number in (0, problem.tasks - 1):
        _, targets = first_batch(problem, number, 200)
        found = set(targets.tolist())
        assert found <= set(range(number * classes, (number + 1) * classes))
        assert len(found) > 1


def test_growing_tasks_keep_the_earlier_classes(monkeypatch):
    problem = problem_on_pictures("incremental_cifar100", monkeypatch)
    for number in (0, 3):
        targets = first_batch(problem, number, 10_000)[1]
        assert targets.max() < 5 * (number + 1)
        assert targets.min() < 5


def test_binary_tasks_start_with_even_odds(monkeypatch):
    problem = problem_on_pictures("continual_binary_cifar100", monkeypatch)
    inputs, targets = first_batch(problem, 7, 4)
    assert set(targets.tolist()) <= {14, 15}
    loss = problem.criterion(*problem.restrict(problem.model()(inputs), targets))
    assert loss.item() == pytest.approx(np.log(2))


@pytest.mark.parametrize("name", ONLINE)
def test_one_image_a_step_under_one_permutation_a_task(name, monkeypatch):
    task = registry.get("task", name)
    assert task.batch_size == 1
    assert task.evaluations <= 200
    assert task.problem.tasks % task.evaluations == 0
    assert not task.problem.boundaries_known
    problem = problem_on_pictures(name, monkeypatch)
    train = load(problem).train
    original = {
        tuple(sorted((image.float() / 127.5 - 1).flatten().tolist())): label
        for image, label in zip(train.inputs, train.targets.tolist(), strict=True)
    }
    stream = problem.batches(train, 1, torch.Generator().manual_seed(0))
    changes = []
    for progress in (0.0, 0.5):
        stream.progress = progress
        pairs = set()
        for inputs, targets in islice(stream, len(train)):
            assert inputs.shape[1:] == train.inputs.shape[1:]
            pairs.add((original[tuple(sorted(inputs.flatten().tolist()))], int(targets)))
        assert len(pairs) == problem.classes
        changes.append(pairs)
    relabels = problem.permuted == "labels"
    assert (changes[0] != changes[1]) == relabels
    if not relabels:
        assert changes[0] == {(label, label) for label in range(problem.classes)}


def test_pixels_move_together_within_a_task(monkeypatch):
    """Where two images differ, and where they do not, moves by one and the same permutation."""
    problem = problem_on_pictures("input_permuted_mnist", monkeypatch)
    train = Split(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1]))
    train.inputs[:, 0, 0, 0] = 255
    stream = problem.batches(train, 2, torch.Generator().manual_seed(0))
    places = []
    for progress in (0.0, 0.0, 0.9):
        stream.progress = progress
        bright = next(stream)[0].flatten(1).argmax(1)
        assert bright[0] == bright[1]
        places.append(int(bright[0]))
    assert places[0] == places[1] != places[2]
