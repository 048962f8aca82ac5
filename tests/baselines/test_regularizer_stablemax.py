"""StableMax against the softmax written out piece by piece."""

import torch
from torch import nn

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial

transform = registry.get("regularizer", "stablemax").build().logits


def by_hand(logits, targets):
    """Prieto et al. 2025: the mean of -log of s(x_target) / sum of s(x)."""
    s = torch.where(logits < 0, 1 / (1 - logits), logits + 1)
    p = s / s.sum(-1, keepdim=True)
    return -p[torch.arange(len(targets)), targets].log().mean()


def test_the_loss_and_its_gradient_are_those_of_the_piecewise_softmax():
    generator = torch.Generator().manual_seed(0)
    logits = 10 * torch.randn(20, 6, generator=generator, dtype=torch.float64)
    logits[:3] = 0.0  # where the two pieces meet
    targets = torch.arange(20) % 6
    a, b = (logits.clone().requires_grad_() for _ in range(2))
    loss, expected = nn.functional.cross_entropy(transform(a), targets), by_hand(b, targets)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-12)
    assert bool((a.grad[:3] != 0).all())


def test_classes_that_are_left_out_stay_out():
    logits = torch.tensor([[0.5, -2.0, float("-inf")]], requires_grad=True)
    loss = nn.functional.cross_entropy(transform(logits), torch.tensor([0]))
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(logits.grad.isfinite().all())


def test_a_squared_loss_is_refused():
    components = (("optimizer", "adamw"), ("regularizer", "stablemax"))
    values = {name: registry.get(kind, name).defaults for kind, name in components}
    trial = Trial("modular_addition_quadratic", components, values, 0, 1, "evaluation", 0.02)
    assert run_trial(trial).run.reason.startswith("NotApplicable: 'stablemax'")
