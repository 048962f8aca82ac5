"""What the papers of first-order methods promise, for drawn tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from suite.components import registry


def take_step(name, parameters, gradients, **changes):
    """One step of an optimizer at its defaults, on given gradients."""
    component = registry.get("optimizer", name)
    optimizer = component.build(parameters, **{**component.defaults, **changes})
    for some in gradients:
        for p, g in zip(parameters, some, strict=True):
            p.grad = g
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_complex_parameter_moves_as_its_two_parts_do(name):
    """torch's fused forms refuse complex numbers; the form used instead treats them as pairs."""
    generator = torch.Generator().manual_seed(3)
    start = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    gradients = [torch.randn(4, 2, generator=generator, dtype=torch.float64) for _ in range(5)]
    whole = nn.Parameter(torch.view_as_complex(start.clone()))
    real = nn.Parameter(start.clone())
    take_step(name, [whole], [[torch.view_as_complex(g)] for g in gradients])
    take_step(name, [real], [[g] for g in gradients])
    torch.testing.assert_close(torch.view_as_real(whole.detach()), real.detach())
    assert not torch.equal(real.detach(), start)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_real_parameters_take_the_fused_form_and_complex_ones_do_not(name):
    component = registry.get("optimizer", name)
    real, whole = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=torch.complex64))
    for parameters, fused in (
        ([real], True),
        ([real, whole], False),
        ([{"params": [whole]}], False),
    ):
        optimizer = component.build(parameters, **component.defaults)
        assert all(bool(group["fused"]) is fused for group in optimizer.param_groups)
        assert all(bool(group["foreach"]) is not fused for group in optimizer.param_groups)
