"""Implicit bias of factorized models: low rank and sparsity from a small start."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.optim import SGD, Adam

from suite.components import registry
from tests.tasks._trials import train


@pytest.fixture(scope="module")
def sensing():
    return registry.get("task", "matrix_sensing")


@pytest.fixture(scope="module")
def diagonal():
    return registry.get("task", "diagonal_linear_net")


def test_effective_rank_by_hand(sensing):
    effective_rank = sensing.problem.evaluate.__globals__["effective_rank"]
    assert effective_rank(torch.eye(5)) == pytest.approx(5)
    assert effective_rank(torch.ones(4, 4)) == pytest.approx(1)
    shares = (0.75, 0.25)
    expected = math.exp(-sum(s * math.log(s) for s in shares))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0, 0.0]))) == pytest.approx(expected)
    assert math.isnan(effective_rank(torch.full((2, 2), math.inf)))


def test_there_are_fewer_measurements_than_the_matrix_has_entries(sensing):
    d = sensing.problem.size
    data = sensing.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    assert len(data.train) < d * (d + 1) // 2
    matrices = data.train.inputs.view(-1, d, d)
    assert torch.equal(matrices, matrices.mT)


def test_held_out_error_is_that_of_the_matrix(sensing):
    """E <A, D>^2 = |D|^2 for symmetric Gaussian A with this scaling, so ratios are the same."""
    d, rank = sensing.problem.size, sensing.problem.rank
    data = sensing.problem.data(Path("unused"), torch.Generator().manual_seed(0))
    assert len(data.test.inputs) > d * (d + 1) // 2
    truth = torch.linalg.lstsq(data.test.inputs, data.test.targets.unsqueeze(1), driver="gelsd")
    values = torch.linalg.eigvalsh(truth.solution.view(d, d)).flip(0)
    expected = torch.zeros(d)
    expected[:rank] = 1 / torch.arange(1, rank + 1)
    assert torch.allclose(values, expected, atol=1e-3)
    model = sensing.problem.model()
    with torch.no_grad():
        model.factor.zero_()
        assert sensing.problem.evaluate(model, data.test)["log10_error"] == pytest.approx(0.0)


def test_gradient_descent_from_a_small_start_learns_rank_by_rank(sensing):
    run = train(sensing, partial(SGD, lr=0.1), steps=1000, start=1e-5)
    errors, ranks = run.curve.test["log10_error"], run.curve.test["effective_rank"]
    assert errors[-1] < -2
    truth = 2.75  # of eigenvalues 1, 1/2, 1/3
    assert ranks[-1] == pytest.approx(truth, abs=0.3)
    # There is a time when only the first eigenvalue is there, and one with two.
    assert min(ranks) < 1.2
    first = ranks.index(min(ranks))
    assert any(1.5 < rank < 2.2 for rank in ranks[first:])


def test_gradient_descent_from_a_large_start_does_not_recover_the_matrix(sensing):
    small, large = (
        train(sensing, partial(SGD, lr=0.02), steps=800, start=start) for start in (1e-3, 1.5)
    )
    assert large.curve.train_loss[-1] < 1e-2, "both fit the measurements"
    assert small.curve.train_loss[-1] < 1e-2
    assert small.test_score < -1.5 < -0.5 < large.test_score


def test_small_starts_find_the_sparse_weights_and_large_ones_do_not(diagonal):
    small, large = (
        train(diagonal, partial(SGD, lr=lr), start=start, examples=50)
        for start, lr in ((0.01, 0.1), (3.0, 0.01))
    )
    assert small.curve.train_loss[-1] < 1e-3, "both fit the examples"
    assert large.curve.train_loss[-1] < 1e-3
    assert small.test_score < -2 < -0.6 < large.test_score
    assert small.curve.test["support"][-1] == diagonal.problem.sparsity
    assert large.curve.test["support"][-1] > 4 * diagonal.problem.sparsity
    assert small.curve.test["l1_norm"][-1] < 1.1 < 1.5 < large.curve.test["l1_norm"][-1]


def test_adam_loses_the_bias_to_sparsity(diagonal):
    adam = train(diagonal, partial(Adam, lr=0.01), examples=50)
    assert adam.curve.train_loss[-1] < 1e-3
    assert adam.test_score > -0.6
