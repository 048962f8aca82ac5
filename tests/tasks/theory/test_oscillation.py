"""Weak and strong features: the data, the network, and the oscillation that is benign."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from statistics import fmean, median

import pytest
import torch
from torch.optim import SGD

from suite.components import registry


@pytest.fixture(scope="module")
def problem():
    return registry.get("task", "benign_oscillation").problem


def load(problem, seed=0):
    return problem.data(Path("unused"), torch.Generator().manual_seed(seed))


def test_every_example_has_the_weak_feature_and_only_training_ones_the_strong(problem):
    data = load(problem)
    for split in (data.train, data.validation, data.test):
        weak = split.inputs[:, 0] * split.targets.unsqueeze(1)
        assert torch.allclose(weak, weak[:1].expand_as(weak), atol=1e-6)
        assert weak[0].norm() == pytest.approx(problem.weak, rel=1e-5)
    sizes = data.train.inputs[:, 1].norm(dim=1)
    there = sizes > 0
    assert torch.allclose(sizes[there], torch.tensor(problem.strong), rtol=1e-5)
    assert there.double().mean() == pytest.approx(problem.share)
    strong = data.train.inputs[there, 1] * data.train.targets[there].unsqueeze(1)
    assert torch.allclose(strong, strong[:1].expand_as(strong), atol=1e-6)
    assert not data.test.inputs[:, 1].any()
    # Noise has nothing of either.
    noise = data.test.inputs[:, 2]
    assert (noise @ data.test.inputs[0, 0]).abs().max() < 1e-4
    assert (noise @ strong[0]).abs().max() < 1e-4
    assert noise.norm(dim=1).mean() == pytest.approx(problem.noise, rel=0.05)


def test_half_of_the_neurons_vote_for_each_class(problem):
    model = problem.model()
    with torch.no_grad():
        model.filters.weight.zero_()
        model.filters.weight[0, 0] = model.filters.weight[-1, 1] = 2.0
        inputs = torch.zeros(3, 2, problem.features)
        inputs[0, :, 0], inputs[1, :, 1], inputs[2, :, 0] = 1.0, 1.0, -1.0
        # Two patches, each with the squared response 4.
        expected = torch.tensor([8.0, -8.0, 0.0]) / problem.width
        assert torch.allclose(model(inputs), expected)


def learn(problem, rate, seed):
    """Train loss and test accuracy at the end, and the largest loss of a batch after a tenth."""
    data = load(problem, seed)
    torch.manual_seed(seed)
    model = problem.model()
    optimizer = SGD(model.parameters(), lr=rate)
    losses = []
    batches = problem.batches(data.train, 10, torch.Generator().manual_seed(seed))
    for inputs, targets in islice(batches, 1000):
        optimizer.zero_grad()
        loss = problem.criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        train, test = (problem.evaluate(model, split) for split in (data.train, data.test))
    return train["loss"], test["accuracy"], max(losses[100:])


def test_rates_at_which_training_oscillates_learn_the_weak_feature(problem):
    """Near the largest stable rate a run is chaotic: many are looked at together."""
    calm = [learn(problem, 1.0, seed) for seed in range(3)]
    wild = [learn(problem, rate, seed) for rate in (2.6, 2.8, 3.0) for seed in range(3)]
    wild = [run for run in wild if math.isfinite(run[0])]
    assert len(wild) >= 4
    # They fit the training examples; a chaotic run may be seen on its way up.
    assert max(loss for loss, _, _ in calm) < 0.1
    assert median(loss for loss, _, _ in wild) < 0.1
    peaks = [fmean(peak for _, _, peak in runs) for runs in (calm, wild)]
    assert peaks[1] > 1.5 * peaks[0]
    accuracies = [fmean(accuracy for _, accuracy, _ in runs) for runs in (calm, wild)]
    assert accuracies[0] < 0.65
    assert accuracies[1] > 0.7
