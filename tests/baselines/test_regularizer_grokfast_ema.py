"""The Grokfast filter against a loop written by hand."""

from __future__ import annotations

import torch
from torch import nn

from suite.components import registry

GrokfastEMA = registry.get("regularizer", "grokfast_ema").build


def filtered(gradients: list[float], alpha: float, amplification: float) -> list[float]:
    regularizer = GrokfastEMA(alpha=alpha, amplification=amplification)
    p, without = nn.Parameter(torch.zeros(1, dtype=torch.float64)), nn.Parameter(torch.zeros(2))
    found = []
    for gradient in gradients:
        p.grad = torch.tensor([gradient], dtype=torch.float64)
        regularizer.gradients([without, p])
        found.append(float(p.grad))
    assert without.grad is None
    return found


def test_follows_the_recursion():
    gradients = [1.0, -2.0, 0.5, 3.0, 0.0]
    alpha, amplification = 0.9, 2.0
    slow, expected = gradients[0], []
    for g in gradients:
        slow = alpha * slow + (1 - alpha) * g
        expected.append(g + amplification * slow)
    found = filtered(gradients, alpha, amplification)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))


def test_a_constant_gradient_is_amplified_from_the_first_step_on():
    torch.testing.assert_close(
        torch.tensor(filtered([0.5] * 4, 0.98, 2.0)), torch.full((4,), 0.5 * 3.0)
    )


def test_parameters_do_not_mix():
    regularizer = GrokfastEMA(alpha=0.5, amplification=1.0)
    one, two = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    one.grad, two.grad = torch.tensor([1.0]), torch.tensor([10.0])
    regularizer.gradients([one, two])
    assert (float(one.grad), float(two.grad)) == (2.0, 20.0)
