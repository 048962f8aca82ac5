"""The full image tasks end to end on tiny made-up images: one short trial each."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from suite import optimizer
from suite.components import registry
from suite.data import Images
from suite.data.split import Split
from suite.training.loop import run_trial
from suite.training.trial import Trial

#: task, and the sizes of its splits in the test (a class for the long tail); cifar100_resnet18 and
#: large_batch differ from these in settings only
SIZES = {
    "cifar10_resnet18": (8, 2, 2),
    "cifar10_airbench": (24, 4, 4),
    "cifar100_airbench": (24, 4, 4),
    "cifar10_longtail": (8, 1, 1),
    "noisy_labels": (10, 5, 5),
    "gradient_delay": (8, 4, 4),
    "delayed_robustness": (8, 4, 4),
    "double_descent": (8, 4, 4),
    "fashion_mnist": (8, 4, 4),
}


class Peek(torch.optim.SGD):
    """SGD that keeps the weights it was given first."""

    weights: torch.Tensor

    def step(self, closure):
        if not hasattr(Peek, "weights"):
            Peek.weights = closure.model.features[0].weight.detach().clone()
        return super().step(closure)


def pictures(name: str, count: int) -> Images:
    """Random pictures of the data set's shape, every class as often."""
    classes = 100 if name == "cifar100" else 10
    shape = (1, 28, 28) if name == "fashion_mnist" else (3, 32, 32)
    random = np.random.default_rng(0)
    splits = []
    for _ in range(2):
        inputs = torch.from_numpy(random.integers(0, 256, (count, *shape), dtype=np.uint8))
        splits.append(Split(inputs, torch.arange(count) % classes))
    return Images(*splits, fingerprint="0" * 16, canonical=False, source="made up")


def shrunk(name, monkeypatch):
    """The task with small splits, small batches, and made-up images instead of files."""
    task = registry.get("task", name)
    problem = copy.copy(task.problem)
    problem.train, problem.validation, problem.test = SIZES[name]
    if name == "double_descent":
        problem.widths = (1, 2, 4)
    for kind in type(problem).__mro__:
        scope = getattr(getattr(kind, "data", None), "__globals__", {})
        if "load_images" in scope:
            monkeypatch.setitem(
                scope, "load_images", lambda name, folder, train, test: pictures(name, 200)
            )
    return dataclasses.replace(task, problem=problem, batch_size=2, budget=4, evaluations=1)


def run(task, method="adamw"):
    defaults = registry.get("optimizer", method).defaults
    trial = Trial(task.name, (("optimizer", method),), {method: defaults}, 0, 0, "evaluation")
    with registry.replaced(task):
        return run_trial(trial).run


@pytest.mark.parametrize("name", SIZES)
def test_a_short_trial_completes(name, monkeypatch):
    task = shrunk(name, monkeypatch)
    result = run(task)
    assert result.status == "completed", result.traceback
    assert result.cost.steps == 2
    assert task.score.metric in result.curve.test
    assert task.problem.needs


def test_the_whitening_layer_is_fitted_before_a_method_looks(monkeypatch):
    task = shrunk("cifar10_airbench", monkeypatch)
    optimizer("peek", Peek, paper="none", url="")
    try:
        run(task, "peek")
    finally:
        registry.forget("optimizer", "peek")
    weights = Peek.weights
    assert torch.equal(weights[:12], -weights[12:])
    # Pictures of independent bytes: every pattern has the same variance, so filters are orthogonal.
    products = weights[:12].flatten(1) @ weights[:12].flatten(1).T
    assert (products - torch.diag(products.diag())).abs().max() < 1e-3 * products.diag().min()
