"""K-FAC against explicit Kronecker products."""

import pytest
import torch
from torch import nn

from suite import NotApplicable
from suite.components import registry
from suite.components.parameters import describe_parameters
from tests.objectives import EXAMPLES, gradients_of, make_objective, small_batch, small_model

KFAC = registry.get("optimizer", "kfac").build


def test_on_a_linear_model_it_is_the_solve_with_the_kronecker_product(monkeypatch):
    lr, damping, momentum, interval = 0.3, 0.05, 0.7, 2
    torch.manual_seed(0)
    model = nn.Linear(5, 3).double()
    describe_parameters(model)
    reference = nn.Linear(5, 3).double()
    reference.load_state_dict(model.state_dict())
    optimizer = KFAC(
        list(model.parameters()),
        lr=lr,
        damping=damping,
        momentum=momentum,
        model=model,
        interval=interval,
    )
    objective = make_objective(model)
    inputs, _ = small_batch()
    labels = torch.arange(EXAMPLES) % 3
    # Labels are drawn: here always the same ones.
    monkeypatch.setattr(torch, "multinomial", lambda p, n: labels[:, None])
    a = torch.cat([inputs, torch.ones(EXAMPLES, 1, dtype=torch.float64)], 1)
    velocity = torch.zeros(3, 6, dtype=torch.float64)
    factors = None
    for step in range(7):
        optimizer.step(objective)
        if step % interval == 0:
            g = reference(inputs).detach().softmax(-1) - nn.functional.one_hot(labels, 3)
            new = a.T @ a / EXAMPLES, g.T @ g / EXAMPLES
            k = step // interval + 1
            decay = min(1 - 1 / k, 0.95)
            factors = (
                new
                if k == 1
                else tuple(decay * f + (1 - decay) * n for f, n in zip(factors, new, strict=True))
            )
        big_a, big_g = factors
        pi = ((big_a.trace() / 6) / (big_g.trace() / 3)).sqrt()
        damped_a = big_a + pi * damping**0.5 * torch.eye(6, dtype=torch.float64)
        damped_g = big_g + damping**0.5 / pi * torch.eye(3, dtype=torch.float64)
        weight, bias = gradients_of(reference)
        gradient = torch.cat([weight, bias[:, None]], 1)
        # Rows of the matrix one after the other: G is the outer factor.
        whole = torch.kron(damped_g, damped_a)
        velocity = momentum * velocity + torch.linalg.solve(whole, gradient.flatten()).view(3, 6)
        reference.weight.data -= lr * velocity[:, :5]
        reference.bias.data -= lr * velocity[:, 5]
        torch.testing.assert_close(model.weight, reference.weight, rtol=0, atol=1e-10)
        torch.testing.assert_close(model.bias, reference.bias, rtol=0, atol=1e-10)
    assert objective.spent == (7 + 4) * EXAMPLES


def test_hidden_layers_are_preconditioned_with_their_own_inputs(monkeypatch):
    model = small_model()
    before = gradients_of(model)
    optimizer = KFAC(list(model.parameters()), lr=0.0, damping=0.1, momentum=0.0, model=model)
    labels = torch.arange(EXAMPLES) % 3
    monkeypatch.setattr(torch, "multinomial", lambda p, n: labels[:, None])
    optimizer.step(make_objective(model))
    inputs = small_batch()[0]
    hidden = model[0](inputs)
    hidden.retain_grad()
    nn.functional.cross_entropy(model[2](hidden.tanh()), labels, reduction="sum").backward()
    g = hidden.grad
    a = torch.cat([inputs, torch.ones(EXAMPLES, 1, dtype=torch.float64)], 1)
    big_a, big_g = a.T @ a / EXAMPLES, g.T @ g / EXAMPLES
    pi = ((big_a.trace() / 6) / (big_g.trace() / 6)).sqrt()
    root = 0.1**0.5
    whole = torch.kron(
        big_g + root / pi * torch.eye(6, dtype=torch.float64),
        big_a + pi * root * torch.eye(6, dtype=torch.float64),
    )
    gradient = torch.cat([before[0], before[1][:, None]], 1)
    expected = torch.linalg.solve(whole, gradient.flatten()).view(6, 6)
    found = optimizer.state[model[0].weight]["velocity"]
    torch.testing.assert_close(found, expected[:, :5], rtol=0, atol=1e-10)


def test_a_loss_that_is_not_finite_is_returned():
    model = small_model()
    with torch.no_grad():
        model[0].weight.fill_(float("nan"))
    optimizer = KFAC(list(model.parameters()), lr=0.1, damping=0.1, momentum=0.0, model=model)
    assert not optimizer.step(make_objective(model)).isfinite()


def test_a_model_without_linear_layers_is_refused():
    model = nn.Conv1d(1, 1, 1)
    with pytest.raises(NotApplicable, match="linear layers"):
        KFAC(list(model.parameters()), lr=0.1, damping=0.1, momentum=0.0, model=model)
