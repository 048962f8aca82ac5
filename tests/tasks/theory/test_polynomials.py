"""Hermite polynomials, the overlap read from far out, and the two targets."""

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
def single():
    return registry.get("task", "single_index")


@pytest.fixture(scope="module")
def hierarchical():
    return registry.get("task", "hierarchical_polynomial")


def load(task):
    return task.problem.data(Path("unused"), torch.Generator().manual_seed(0))


def test_hermite_polynomials_by_hand(single):
    hermite = single.problem.data.__globals__["hermite"]
    x = torch.tensor([-1.5, 0.0, 2.0])
    by_hand = [torch.ones(3), x, x**2 - 1, x**3 - 3 * x, x**4 - 6 * x**2 + 3]
    for degree, expected in enumerate(by_hand):
        assert torch.allclose(hermite(degree, x), expected / math.sqrt(math.factorial(degree)))
    normal = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    products = torch.stack([hermite(k, normal) for k in range(4)])
    assert torch.allclose(products @ products.T / len(normal), torch.eye(4), atol=0.05)


@pytest.mark.parametrize("degree", [2, 3])
def test_overlap_is_the_cosine_of_the_angle(single, degree):
    problem = type(single.problem)(**{**vars(single.problem), "degree": degree})
    data = problem.data(Path("unused"), torch.Generator().manual_seed(0))
    theta = data.test.inputs[0] / data.test.inputs[0].norm()
    other = torch.randn(len(theta), generator=torch.Generator().manual_seed(1))
    other -= (other @ theta) * theta
    other /= other.norm()
    model = problem.model()
    for cosine in (1.0, 0.6, 0.2):
        with torch.no_grad():
            w = cosine * theta + math.sqrt(1 - cosine**2) * other
            model.direction.weight.copy_(3 * w.unsqueeze(0))
            overlap = problem.evaluate(model, data.test)["overlap"]
        assert overlap == pytest.approx(cosine, abs=5e-3)


def test_targets_depend_on_the_hidden_direction_only(single):
    data = load(single)
    theta = data.test.inputs[0] / data.test.inputs[0].norm()
    projected = data.train.inputs @ theta
    expected = (projected**2 - 1) / math.sqrt(2)
    assert torch.allclose(data.train.targets, expected, atol=1e-4)


def test_a_higher_information_exponent_takes_longer(single):
    """The same steps find the direction for He_2, and are still on the plateau for He_4."""
    two, four = (
        train(single, partial(SGD, lr=0.02), degree=degree).curve.test["overlap"][-1]
        for degree in (2, 4)
    )
    assert two > 0.95
    assert four < 0.6


def test_the_hierarchical_target_is_a_function_of_one_quadratic_form(hierarchical):
    """A form p can be found with y = (p + (p^2 - 1) / sqrt(2)) / sqrt(2) for all examples."""
    data = load(hierarchical)
    inputs, targets = data.train.inputs, data.train.targets
    d = inputs.shape[1]
    upper = torch.triu_indices(d, d)

    def quadratic(form_entries):
        form = torch.zeros(d, d)
        form[upper[0], upper[1]] = form_entries
        return ((inputs @ form) * inputs).sum(1)

    entries = torch.linalg.lstsq(
        (inputs.unsqueeze(2) * inputs.unsqueeze(1))[:, upper[0], upper[1]],
        targets.unsqueeze(1) * math.sqrt(2),
        driver="gelsd",
    ).solution.squeeze(1)
    entries.requires_grad_()
    search = torch.optim.LBFGS([entries], max_iter=200, line_search_fn="strong_wolfe")

    def mismatch():
        search.zero_grad()
        p = quadratic(entries)
        predicted = (p + (p.square() - 1) / math.sqrt(2)) / math.sqrt(2)
        loss = (predicted - targets).square().mean()
        loss.backward()
        return loss

    search.step(mismatch)
    assert float(mismatch().detach()) < 1e-4
    assert float(quadratic(entries.detach()).var()) == pytest.approx(1.0, abs=0.15)


def test_the_network_beats_every_quadratic_function_of_the_inputs(hierarchical):
    data = load(hierarchical)

    def quadratics(x):
        return torch.cat(
            [torch.ones(len(x), 1), x, (x.unsqueeze(2) * x.unsqueeze(1)).flatten(1)], 1
        )

    solution = torch.linalg.lstsq(
        quadratics(data.train.inputs), data.train.targets.unsqueeze(1), driver="gelsd"
    ).solution
    errors = quadratics(data.test.inputs) @ solution - data.test.targets.unsqueeze(1)
    best_quadratic = float(errors.square().mean() / data.test.targets.var())
    run = train(hierarchical, partial(Adam, lr=3e-3), steps=400)
    assert run.test_score < best_quadratic / 2
