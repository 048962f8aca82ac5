"""MeZO: its direction, its step, and what it must leave alone."""

import pytest
import torch

from suite.components import registry
from tests.objectives import (
    EXAMPLES,
    assert_close,
    make_info,
    make_objective,
    small_model,
    snapshot,
)


def mezo(model, lr, epsilon=1e-4, seed=0):
    return registry.get("optimizer", "mezo").build(
        list(model.parameters()), lr=lr, epsilon=epsilon, info=make_info(seed=seed)
    )


def direction_of(model, seed=0):
    """The z of the first step, from the same stream."""
    torch.manual_seed(int(torch.randint(2**62, (), generator=make_info(seed=seed).generator)))
    return [torch.randn_like(p) for p in model.parameters()]


def test_mezo_steps_along_its_direction_by_the_directional_derivative():
    """Malladi et al. 2023, Definition 1 and Algorithm 1."""
    model, lr = small_model(), 0.01
    before, z = snapshot(model), direction_of(model)
    _, slope = make_objective(small_model()).jvp(z)
    objective = make_objective(model)
    loss = mezo(model, lr).step(objective)
    expected = [w - lr * slope * d for w, d in zip(before, z, strict=True)]
    assert_close(model, expected, atol=1e-8)
    assert float(slope.abs()) > 0.01
    assert float(loss) == pytest.approx(float(make_objective(small_model()).loss()), abs=1e-6)
    assert objective.spent == pytest.approx(2 / 3 * EXAMPLES)


def test_mezo_puts_the_weights_back():
    model = small_model()
    before = snapshot(model)
    optimizer, objective = mezo(model, lr=0.0), make_objective(model)
    for _ in range(50):
        optimizer.step(objective)
    assert_close(model, before, atol=1e-14)


def test_mezo_builds_no_gradients():
    model = small_model()
    recording = []
    model.register_forward_pre_hook(lambda *_: recording.append(torch.is_grad_enabled()))
    optimizer, objective = mezo(model, lr=0.01), make_objective(model)
    with torch.enable_grad():
        optimizer.step(objective)
    assert recording == [False, False]
    assert all(p.grad is None and p.is_leaf for p in model.parameters())


def test_mezo_repeats_under_its_seed():
    ends = []
    for seed in (0, 0, 1):
        model = small_model()
        optimizer, objective = mezo(model, lr=0.01, seed=seed), make_objective(model)
        for _ in range(5):
            optimizer.step(objective)
        ends.append(snapshot(model))
    assert all(torch.equal(a, b) for a, b in zip(ends[0], ends[1], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(ends[0], ends[2], strict=True))


def test_mezo_compares_two_losses_under_the_same_dropout():
    model = small_model()
    model.insert(2, torch.nn.Dropout(0.5))
    masks = []
    model[2].register_forward_hook(lambda module, inputs, output: masks.append(output == 0))
    mezo(model, lr=0.01).step(make_objective(model))
    plus, minus = masks
    assert plus.any()
    assert torch.equal(plus, minus)
