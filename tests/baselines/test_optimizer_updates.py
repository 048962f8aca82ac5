"""Each optimizer against its paper's formula, written out by hand in double precision."""

import pytest
import torch

from suite.components import registry
from tests.objectives import (
    assert_close,
    gradients_of,
    make_info,
    make_objective,
    small_model,
    snapshot,
)

STEPS = 12


def component(name):
    return registry.get("optimizer", name).build


def follow(optimizer, model, update, steps=STEPS):
    """Train a model, and a copy by `update(t, weight, gradient, memory)`; both must agree."""
    reference = small_model()
    objective = make_objective(model)
    memories = [{} for _ in reference.parameters()]
    for t in range(1, steps + 1):
        optimizer.step(objective)
        gradients = gradients_of(reference)
        for p, gradient, memory in zip(reference.parameters(), gradients, memories, strict=True):
            p.data = update(t, p.detach(), gradient, memory)
        assert_close(model, snapshot(reference))


def zeros(memory, name, like):
    return memory.setdefault(name, torch.zeros_like(like))


def test_adamw():
    """Loshchilov and Hutter 2019, Algorithm 2."""
    lr, decay, beta1, beta2, eps = 0.01, 0.3, 0.9, 0.999, 1e-8

    def update(t, w, g, memory):
        m = memory["m"] = beta1 * zeros(memory, "m", g) + (1 - beta1) * g
        v = memory["v"] = beta2 * zeros(memory, "v", g) + (1 - beta2) * g**2
        step = (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps)
        return w - lr * (step + decay * w)

    model = small_model()
    follow(component("adamw")(list(model.parameters()), lr=lr, weight_decay=decay), model, update)


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd(nesterov):
    """Sutskever et al. 2013 in the form of velocities of gradients (its section 2)."""
    lr, momentum, decay = 0.1, 0.9, 0.01

    def update(t, w, g, memory):
        g = g + decay * w
        v = memory["v"] = momentum * zeros(memory, "v", g) + g
        return w - lr * (g + momentum * v if nesterov else v)

    model = small_model()
    optimizer = component("sgd")(
        list(model.parameters()), lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=decay
    )
    follow(optimizer, model, update)


def test_lion():
    """Chen et al. 2023, Algorithm 2."""
    lr, decay, beta1, beta2 = 0.01, 0.3, 0.9, 0.99

    def update(t, w, g, memory):
        m = zeros(memory, "m", g)
        direction = (beta1 * m + (1 - beta1) * g).sign()
        memory["m"] = beta2 * m + (1 - beta2) * g
        return w - lr * (direction + decay * w)

    model = small_model()
    follow(component("lion")(list(model.parameters()), lr=lr, weight_decay=decay), model, update)


def schedule_free(model, warmup, **changes):
    values = {"lr": 0.01, "weight_decay": 0.3, "beta1": 0.95, **changes}
    info = make_info(steps=20 * warmup)  # the warm-up takes a twentieth of the steps
    return component("schedule_free")(list(model.parameters()), **values, info=info)


@pytest.mark.parametrize("warmup", [0, 5])
def test_schedule_free(warmup):
    """Defazio et al. 2024, Algorithm 1: gradients at y, steps of z, the average x is evaluated."""
    lr, decay, beta1, beta2, eps = 0.01, 0.3, 0.95, 0.999, 1e-8
    model = small_model()
    optimizer, objective = schedule_free(model, warmup), make_objective(model)
    at_y = small_model()
    x, z = snapshot(model), snapshot(model)
    v = [torch.zeros_like(w) for w in z]
    squared_rates = 0.0
    close = 1e-9  # the implementation has another 1e-15 under the square root
    for t in range(1, STEPS + 1):
        optimizer.step(objective)
        rate = lr * min(1.0, t / warmup) if warmup else lr
        squared_rates += rate**2
        share = rate**2 / squared_rates
        for i, (y, g) in enumerate(zip(at_y.parameters(), gradients_of(at_y), strict=True)):
            v[i] = beta2 * v[i] + (1 - beta2) * g**2
            direction = g / ((v[i] / (1 - beta2**t)).sqrt() + eps)
            z[i] = z[i] - rate * (direction + decay * y.detach())
            x[i] = (1 - share) * x[i] + share * z[i]
            y.data = (1 - beta1) * z[i] + beta1 * x[i]
        assert_close(model, snapshot(at_y), close)
        optimizer.eval()
        assert_close(model, x, close)
        optimizer.train()
        assert_close(model, snapshot(at_y), close)


def test_schedule_free_evaluates_the_plain_mean_of_its_steps_at_a_constant_rate():
    model = small_model()
    optimizer, objective = schedule_free(model, warmup=0), make_objective(model)
    iterates = []
    for _ in range(STEPS):
        optimizer.step(objective)
        iterates.append([optimizer.state[p]["z"].clone() for p in model.parameters()])
    optimizer.eval()
    means = [torch.stack(each).mean(0) for each in zip(*iterates, strict=True)]
    assert_close(model, means)
