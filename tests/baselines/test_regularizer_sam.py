"""SAM against the definition, on losses whose gradients are known."""

from __future__ import annotations

import torch
from torch import nn

from suite.components import registry

SAM = registry.get("regularizer", "sam").build


class Quadratic:
    """L(w) = sum of a w^2 / 2 over two parameters, remembering where it was evaluated."""

    def __init__(self) -> None:
        self.curvatures = [torch.tensor([1.0, 4.0]), torch.tensor([[2.0]])]
        self.parameters = [
            nn.Parameter(torch.tensor([0.3, -0.7])),
            nn.Parameter(torch.tensor([[1.1]])),
        ]
        self.unused = nn.Parameter(torch.ones(3))
        self.points: list[list[torch.Tensor]] = []

    def __call__(self) -> torch.Tensor:
        self.points.append([p.detach().clone() for p in self.parameters])
        for p in self.parameters:
            p.grad = None
        pairs = zip(self.curvatures, self.parameters, strict=True)
        loss = sum((a * p**2).sum() / 2 for a, p in pairs)
        loss.backward()
        return loss.detach()


def test_ascent_point_gradient_and_loss_are_those_of_algorithm_1():
    loss, rho = Quadratic(), 0.25
    weights = [p.detach().clone() for p in loss.parameters]
    gradients = [a * w for a, w in zip(loss.curvatures, weights, strict=True)]
    norm = torch.cat([g.flatten() for g in gradients]).norm()

    returned = SAM(rho=rho).evaluate(loss, [*loss.parameters, loss.unused])

    at, ascended = loss.points
    assert all(torch.equal(p, w) for p, w in zip(at, weights, strict=True))
    for point, w, g in zip(ascended, weights, gradients, strict=True):
        torch.testing.assert_close(point, w + rho * g / norm)
    for p, a, point in zip(loss.parameters, loss.curvatures, ascended, strict=True):
        torch.testing.assert_close(p.grad, a * point)
    expected = sum((a * w**2).sum() / 2 for a, w in zip(loss.curvatures, weights, strict=True))
    torch.testing.assert_close(returned, expected)
    assert loss.unused.grad is None


def test_weights_come_back_to_the_bit():
    torch.manual_seed(0)
    loss = Quadratic()
    for _ in range(50):
        weights = [p.detach().clone() for p in loss.parameters]
        SAM(rho=0.1).evaluate(loss, loss.parameters)
        for p, weight in zip(loss.parameters, weights, strict=True):
            assert torch.equal(p, weight)
            with torch.no_grad():
                p.normal_()


def test_at_a_minimum_nothing_moves_and_nothing_is_undefined():
    loss = Quadratic()
    with torch.no_grad():
        for p in loss.parameters:
            p.zero_()
    SAM(rho=0.05).evaluate(loss, loss.parameters)
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in loss.parameters)
