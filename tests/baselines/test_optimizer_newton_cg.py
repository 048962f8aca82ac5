"""Newton-CG on quadratic functions, whose Newton step is known."""

import pytest
import torch
from torch import nn

from suite.components import registry
from tests.objectives import make_objective

NewtonCG = registry.get("optimizer", "newton_cg").build


class Quadratic(nn.Module):
    """w' H w / 2 - b' w, of two parameters that together are w."""

    def __init__(self, hessian, linear, start):
        super().__init__()
        self.first = nn.Parameter(start[:2].clone())
        self.second = nn.Parameter(start[2:].clone()[None])
        self.hessian, self.linear = hessian, linear

    def forward(self, inputs):
        w = self.weights()
        return inputs.sum() * 0 + w @ self.hessian @ w / 2 - self.linear @ w

    def weights(self):
        return torch.cat([self.first, self.second.flatten()])


def quadratic(eigenvalues):
    generator = torch.Generator().manual_seed(2)
    n = len(eigenvalues)
    q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    hessian = q @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ q.T
    linear, start = torch.randn(2, n, generator=generator, dtype=torch.float64)
    return Quadratic(hessian, linear, start)


def stepped(model, lr=1.0, damping=0.0, iterations=20, steps=1):
    optimizer = NewtonCG(list(model.parameters()), lr=lr, damping=damping, iterations=iterations)
    objective = make_objective(model, criterion=lambda outputs, targets: outputs)
    for _ in range(steps):
        optimizer.step(objective)
    return objective


def by_hand(model, damping, iterations):
    """Algorithm 7.1 of Nocedal and Wright: the direction, and how many products it took."""
    w = model.weights().detach()
    b = model.hessian + damping * torch.eye(len(w))
    gradient = model.hessian @ w - model.linear
    norm = gradient.norm()
    z, r, d = torch.zeros_like(w), gradient, -gradient
    for j in range(iterations):
        curvature = d @ b @ d
        if curvature <= 0:
            return (-gradient if j == 0 else z), j + 1
        length = r @ r / curvature
        z, new = z + length * d, r + length * (b @ d)
        if new.norm() < torch.minimum(torch.tensor(0.5), norm.sqrt()) * norm:
            return z, j + 1
        d = -new + (new @ new) / (r @ r) * d
        r = new
    return z, iterations


@pytest.mark.parametrize("eigenvalues", [(1, 2, 3, 4, 5), (0.1, 1, 1, 10, 30)])
def test_a_few_steps_reach_the_minimum(eigenvalues):
    model = quadratic(eigenvalues)
    stepped(model, steps=12)
    minimum = torch.linalg.solve(model.hessian, model.linear)
    torch.testing.assert_close(model.weights().detach(), minimum, rtol=0, atol=1e-8)


@pytest.mark.parametrize("iterations", [1, 2, 3, 10])
@pytest.mark.parametrize("damping", [0.0, 0.5])
@pytest.mark.parametrize(
    "eigenvalues", [(1, 2, 3, 4, 5), (0.1, 1, 1, 10, 30), (-5, -3, 1, 2, 3), (-1, -1, -2, -3, -4)]
)
def test_the_step_is_that_of_algorithm_7_1(eigenvalues, damping, iterations):
    model = quadratic(eigenvalues)
    before = model.weights().detach().clone()
    direction, products = by_hand(model, damping, iterations)
    objective = stepped(model, lr=0.5, damping=damping, iterations=iterations)
    found = model.weights().detach() - before
    torch.testing.assert_close(found, 0.5 * direction, rtol=1e-10, atol=1e-12)
    assert objective.spent == (1 + 2 * products) * objective.batch_size


def test_negative_curvature_at_first_gives_the_steepest_descent():
    model = quadratic((-1, -1, -2, -3, -4))
    before = model.weights().detach().clone()
    gradient = model.hessian @ before - model.linear
    stepped(model, lr=0.1)
    torch.testing.assert_close(model.weights().detach(), before - 0.1 * gradient)
