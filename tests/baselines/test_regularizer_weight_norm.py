"""Weight normalization leaves the function as it was and reaches the right matrices."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from suite import NotApplicable, TaskInfo
from suite.components import registry
from suite.components.parameters import describe_parameters, mark_head

WeightNorm = registry.get("regularizer", "weight_norm").build
INFO = TaskInfo(8, 100, 3, torch.Generator())


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 5),
        nn.ReLU(),
        mark_head(nn.Linear(5, 3)),
    )


def attach(model: nn.Module) -> nn.Module:
    WeightNorm().attach(model, INFO)
    return model


def test_function_is_unchanged():
    inputs = torch.randn(6, 1, 4, 4)
    torch.testing.assert_close(attach(network())(inputs), network()(inputs))


def test_rows_are_length_times_direction():
    model = attach(network())
    layer = model[4]
    lengths, directions = layer.parametrizations.weight.parameters()
    with torch.no_grad():
        lengths.mul_(2)
        directions.mul_(5)
    torch.testing.assert_close(layer.weight, 2 * network()[4].weight)


def test_roles_follow_the_matrices():
    model = attach(network())
    describe_parameters(model)
    for place, role in ((0, "conv"), (4, "hidden"), (6, "head")):
        lengths, directions = model[place].parametrizations.weight.parameters()
        assert (lengths.role, directions.role) == ("scale", role)


def test_embeddings_shared_and_zero_matrices_stay():
    model = nn.ModuleDict(
        {
            "embedding": nn.Embedding(7, 4),
            "hidden": nn.Linear(4, 4),
            "zero": nn.Linear(4, 4),
            "tied": nn.Linear(4, 7),
        }
    )
    model["tied"].weight = model["embedding"].weight
    nn.init.zeros_(model["zero"].weight)
    attach(model)
    normalized = [name for name, module in model.items() if parametrize.is_parametrized(module)]
    assert normalized == ["hidden"]
    assert model["tied"].weight is model["embedding"].weight


def test_needs_a_matrix():
    with pytest.raises(NotApplicable, match="linear or convolutional"):
        attach(nn.Sequential(nn.Embedding(3, 3), nn.LayerNorm(3)))
