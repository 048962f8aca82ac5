"""XOR clusters and starving features: the data, and the phenomena they are made for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch.optim import SGD

from suite.components import registry
from tests.tasks._trials import train


@pytest.fixture(scope="module")
def xor():
    return registry.get("task", "xor_cluster")


@pytest.fixture(scope="module")
def starvation():
    return registry.get("task", "gradient_starvation")


def load(task):
    return task.problem.data(Path("unused"), torch.Generator().manual_seed(0))


def rule(inputs):
    """The clean label: which of the first two coordinates is the larger one."""
    return (inputs[:, 1].abs() > inputs[:, 0].abs()).long()


def test_labels_are_crosswise_and_only_training_ones_are_wrong(xor):
    data = load(xor)
    assert torch.equal(rule(data.test.inputs), data.test.targets)
    wrong = (rule(data.train.inputs) != data.train.targets).float().mean()
    assert wrong == pytest.approx(xor.problem.flipped)
    assert xor.problem.features > len(data.train)
    # All four clusters are there, about as often as each other.
    largest = data.test.inputs[:, :2].abs().argmax(1)
    sides = data.test.inputs[torch.arange(len(largest)), largest] > 0
    counts = torch.bincount(2 * largest + sides.long())
    assert (counts > len(data.test) / 4 * 0.8).all()


def test_one_step_fits_wrong_labels_at_chance_and_many_learn_the_rule_and_keep_the_fit(xor):
    """Xu et al. 2024: many more dimensions than examples, a wide network, a tiny start."""
    high = {"features": 4000, "examples": 100, "noise": 0.08, "width": 1024, "start": 1e-5}
    problem = type(xor.problem)(**{**vars(xor.problem), **high})
    data = problem.data(Path("unused"), torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = problem.model()
    optimizer = SGD(model.parameters(), lr=0.5)

    def accuracies():
        splits = (data.train, data.test)
        with torch.no_grad():
            return [problem.evaluate(model, split)["accuracy"] for split in splits]

    def step():
        optimizer.zero_grad()
        problem.criterion(model(data.train.inputs), data.train.targets).backward()
        optimizer.step()

    step()
    fitted, known = accuracies()
    assert fitted == 1.0, "the wrong labels, too"
    assert known == pytest.approx(0.5, abs=0.06)
    for _ in range(59):
        step()
    fitted, known = accuracies()
    assert fitted == 1.0
    assert known > 0.8


@pytest.mark.parametrize("flipped", [0.0, 0.1, 0.2])
def test_clean_error_stays_low_at_every_noise_rate(xor, flipped):
    """Frei, Chatterji and Bartlett 2022: fewer dimensions than examples, one pass and a bit."""
    low = {"features": 20, "examples": 200, "noise": 0.2, "flipped": flipped}
    run = train(xor, partial(SGD, lr=0.5), steps=100, **low)
    assert run.test_score > 0.93


def test_the_strong_feature_separates_in_training_and_tells_nothing_in_the_test(starvation):
    data = load(starvation)
    agreement = {
        name: ((split.inputs[:, 0] > 0).long() == split.targets).float().mean()
        for name, split in vars(data).items()
        if name in ("train", "validation", "test")
    }
    assert agreement["train"] == 1.0
    assert agreement["validation"] == pytest.approx(0.5, abs=0.06)
    assert agreement["test"] == pytest.approx(0.5, abs=0.06)
    weak = data.test.inputs[:, 1:].sum(1)
    assert ((weak > 0).long() == data.test.targets).float().mean() > 0.9


def test_weak_features_starve_only_beside_a_strong_one(starvation):
    build = partial(SGD, lr=0.1)
    beside = train(starvation, build)
    alone = train(starvation, build, strong=0.0)
    assert alone.test_score > 0.85
    assert beside.test_score < 0.65
    assert beside.curve.train_loss[-1] < alone.curve.train_loss[-1]
