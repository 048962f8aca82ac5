"""Sophia-G against the paper's formulas and identities."""

import torch

from suite.components import registry
from tests.objectives import (
    EXAMPLES,
    assert_close,
    gradients_of,
    make_objective,
    small_batch,
    small_model,
    snapshot,
)


def test_sophia_g(monkeypatch):
    """Liu et al. 2023, Algorithms 2 and 3, with labels that do not change."""
    lr, decay, gamma, beta1, beta2, k = 0.01, 0.3, 0.05, 0.965, 0.99, 10
    labels = torch.arange(EXAMPLES) % 3
    model = small_model()
    optimizer = registry.get("optimizer", "sophia_g").build(
        list(model.parameters()), lr=lr, weight_decay=decay, gamma=gamma
    )
    objective = make_objective(model)
    estimates = []

    def sampled_labels():
        estimates.append(objective.spent)
        for p, g in zip(
            model.parameters(), gradients_of(model, (small_batch()[0], labels)), strict=True
        ):
            p.grad = g

    monkeypatch.setattr(objective, "sampled_labels", sampled_labels)
    reference = small_model()
    m, h = ([torch.zeros_like(w) for w in snapshot(reference)] for _ in range(2))
    clipped = []
    for t in range(1, 2 * k + 2):
        optimizer.step(objective)
        sampled = gradients_of(reference, (small_batch()[0], labels))
        gradients = gradients_of(reference)
        for i, (p, g, s) in enumerate(zip(reference.parameters(), gradients, sampled, strict=True)):
            m[i] = beta1 * m[i] + (1 - beta1) * g
            if t % k == 1:
                h[i] = beta2 * h[i] + (1 - beta2) * EXAMPLES * s**2
            ratio = m[i] / torch.maximum(gamma * h[i], torch.tensor(1e-12))
            clipped.append((ratio.abs() > 1).double().mean())
            w = p.detach() * (1 - lr * decay)
            p.data = w - lr * ratio.clamp(-1, 1)
        assert_close(model, snapshot(reference))
    # after the batch's gradient, and each is paid for
    assert estimates == [EXAMPLES, (k + 2) * EXAMPLES, (2 * k + 3) * EXAMPLES]
    assert 0 < float(torch.stack(clipped).mean()) < 1  # both regimes were compared


def test_sophia_g_pays_for_its_estimates():
    model = small_model()
    optimizer = registry.get("optimizer", "sophia_g").build(
        list(model.parameters()), lr=0.01, weight_decay=0.1, gamma=0.05
    )
    objective = make_objective(model)
    for _ in range(20):
        optimizer.step(objective)
    assert objective.spent == 22 * EXAMPLES


def test_sophia_g_estimates_the_gauss_newton_diagonal():
    """For the head's bias it is the mean of p (1 - p) over the batch."""
    torch.manual_seed(0)
    model = small_model()
    bias = model[2].bias
    optimizer = registry.get("optimizer", "sophia_g").build(
        list(model.parameters()), lr=0.0, weight_decay=0.0, gamma=1.0, betas=(0.9, 0.0), interval=1
    )
    objective = make_objective(model)
    draws = 1000
    mean = torch.zeros_like(bias)
    for _ in range(draws):
        optimizer.step(objective)
        mean += optimizer.state[bias]["curvature"] / draws
    p = model(small_batch()[0]).detach().softmax(-1)
    torch.testing.assert_close(mean.detach(), (p * (1 - p)).mean(0), rtol=0.15, atol=0)


def test_sophia_g_counts_tokens_not_sequences():
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3).double()
    batch = torch.randn(2, 5, 4).double(), torch.zeros(2, 5, dtype=torch.long)

    def criterion(outputs, targets):
        return torch.nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    optimizer = registry.get("optimizer", "sophia_g").build(
        list(model.parameters()), lr=0.0, weight_decay=0.0, gamma=1.0, betas=(0.9, 0.0)
    )
    torch.manual_seed(7)
    optimizer.step(make_objective(model, batch, criterion=criterion))
    torch.manual_seed(7)
    make_objective(model, batch, criterion=criterion).sampled_labels()
    torch.testing.assert_close(
        optimizer.state[model.weight]["curvature"], 10 * model.weight.grad**2
    )


def test_sophia_g_hands_back_a_loss_that_is_not_finite():
    """No labels can be drawn from such a model: the trial has diverged."""
    model = small_model()
    optimizer = registry.get("optimizer", "sophia_g").build(
        list(model.parameters()), lr=0.01, weight_decay=0.1, gamma=0.05
    )
    with torch.no_grad():
        model[0].weight.fill_(float("nan"))
    assert not optimizer.step(make_objective(model)).isfinite()


def test_sophia_g_goes_on_from_a_saved_state():
    """The count of steps until the next estimate is saved too."""

    def built():
        model = small_model()
        optimizer = registry.get("optimizer", "sophia_g").build(
            list(model.parameters()), lr=0.01, weight_decay=0.1, gamma=0.05
        )
        return model, optimizer, make_objective(model)

    def walk(optimizer, objective, steps):
        for t in steps:
            torch.manual_seed(t)
            optimizer.step(objective)

    whole, optimizer, objective = built()
    walk(optimizer, objective, range(25))
    first, before, objective = built()
    walk(before, objective, range(13))
    second, after, objective = built()
    after.load_state_dict(before.state_dict())
    second.load_state_dict(first.state_dict())
    walk(after, objective, range(13, 25))
    assert all(torch.equal(a, b) for a, b in zip(snapshot(whole), snapshot(second), strict=True))
