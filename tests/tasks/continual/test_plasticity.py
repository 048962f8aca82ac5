"""Streams that cost plasticity: what changes with a task, and that learning is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial


def stream_of(name: str, batch_size: int):
    problem = registry.get("task", name).problem
    train = problem.data(Path("unused"), torch.Generator().manual_seed(0)).train
    return train, problem.batches(train, batch_size, torch.Generator().manual_seed(1))


def labels_of(train, inputs: torch.Tensor) -> torch.Tensor:
    """The true labels of images."""
    known = {
        tuple(row): int(y) for row, y in zip(train.inputs.tolist(), train.targets, strict=True)
    }
    return torch.tensor([known[tuple(row)] for row in inputs.tolist()])


def test_labels_are_permuted_as_a_whole_and_anew_each_task():
    train, stream = stream_of("label_permuted_digits", 500)
    maps = []
    for progress in (0.0, 0.5, 0.99):
        stream.progress = progress
        inputs, targets = next(stream)
        pairs = set(zip(labels_of(train, inputs).tolist(), targets.tolist(), strict=True))
        assert len(pairs) == 10
        assert {label for _, label in pairs} == set(range(10))
        maps.append(frozenset(pairs))
    assert len(set(maps)) == 3


def test_random_labels_belong_to_images_and_not_to_classes():
    train, stream = stream_of("random_label_memory", 128)
    first = next(stream)
    again = next(stream)
    stream.progress = 0.5
    other = next(stream)
    assert torch.equal(first[0], train.inputs) and torch.equal(other[0], train.inputs)
    assert torch.equal(first[1], again[1])
    for targets in (first[1], other[1]):
        assert (targets == train.targets).float().mean() < 0.25
    assert (first[1] == other[1]).float().mean() < 0.25


def test_scole_has_two_classes_a_task_and_all_of_them_in_the_end():
    _, stream = stream_of("scole_digits", 30)
    seen, pairs = set(), set()
    for number in range(100):
        stream.progress = number / 100
        _, targets = next(stream)
        classes = frozenset(targets.tolist())
        assert len(classes) == 2
        seen |= classes
        pairs.add(classes)
    assert seen == set(range(10))
    assert 30 < len(pairs) <= 45


def run(name: str, fraction: float, regularizers=(), **adamw: float):
    methods = {"adamw": {"weight_decay": 0.01, **adamw}, **dict(regularizers)}
    components = (("optimizer", "adamw"), *(("regularizer", r) for r, _ in regularizers))
    return run_trial(Trial(name, components, methods, 0, 0, "evaluation", fraction)).run


def test_adamw_loses_the_ability_to_memorize_and_redo_keeps_it():
    curve = run("random_label_memory", 1.0, lr=0.003).curve
    assert curve.gradient_evaluations == [72.0 * n for n in range(26)]
    lost = curve.test["accuracy"][1:]
    redo = [("redo", {"tau": 0.1, "period": 30})]
    kept = run("random_label_memory", 1.0, redo, lr=0.003).curve.test["accuracy"]
    # Every task starts at chance: a mean over the task would be far below its end.
    assert lost[0] > 0.9
    assert lost[-1] < 0.5
    assert kept[-1] > 0.9


def test_plasticity_is_recorded_between_0_and_1():
    curve = run("label_permuted_digits", 5 / 40, lr=0.003).curve
    assert curve.gradient_evaluations == [56.0 * n for n in range(6)]
    before, *plasticity = curve.test["plasticity"]
    assert before == 0
    assert all(0 < value < 1 for value in plasticity)


def test_knowledge_accumulates_over_short_tasks():
    accuracy = run("scole_digits", 0.5, lr=0.001).curve.test["accuracy"]
    assert sum(accuracy[:2]) / 2 < 0.4
    assert sum(accuracy[-10:]) / 10 > 0.65


@pytest.mark.parametrize("name", ["label_permuted_digits", "random_label_memory"])
def test_methods_are_not_told_of_boundaries(name):
    problem = registry.get("task", name).problem
    assert not problem.boundaries_known
    assert problem.online
