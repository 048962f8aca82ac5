"""References of methods without a backward pass through the model, on a network."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from suite.components.parameters import mark_head
from tests.golden.golden import Values, whole
from tests.golden.references.curvature import Loss, flat
from tests.golden.walk import SEED, Setting, Weights


def steps_of(rule):
    """`rule(loss, w, t, h, generator)` gives the next weights; t counts from 0."""

    def trajectory(setting: Setting) -> list[Weights]:
        loss, h, generator = Loss(setting), Values(setting.h), setting.generator()
        torch.manual_seed(SEED)
        w, found = loss.start, []
        for t in range(setting.steps):
            w = rule(loss, w, t, h, generator)
            found.append(loss.parts(w))
        return found

    return trajectory


def normals(loss, generator=None, seed=None):
    """Standard normal numbers for all weights, tensor by tensor as the component draws them."""
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(s, generator=generator, dtype=torch.float64) for s in loss.shapes]
    return flat(d.numpy() for d in drawn)


def a_seed(generator):
    return int(torch.randint(2**62, (), generator=generator))


def central(loss, w, t, z, epsilon):
    """The slope along z by two losses."""
    return (loss(w + epsilon * z, t) - loss(w - epsilon * z, t)) / (2 * epsilon)


def mezo(loss, w, t, h, generator):
    """Malladi et al. 2023, algorithm 1."""
    z = normals(loss, seed=a_seed(generator))
    a_seed(generator)  # that of the dropout, which the network has not
    return w - h.lr * central(loss, w, t, z, h.epsilon) * z


def forward_gradient(loss, w, t, h, generator):
    """Baydin et al. 2022, algorithm 1, with the slope from the gradient itself."""
    v = normals(loss, generator)
    return w - h.lr * (v @ loss.gradient(w, t)) * v


def zo_sgd(loss, w, t, h, generator):
    """Zhang et al. 2024: the mean of q directions; its sign; or the best of three points."""
    a_seed(generator)  # that of the dropout, which the network has not
    directions = [normals(loss, seed=a_seed(generator)) for _ in range(h.queries)]
    slopes = [central(loss, w, t, z, h.epsilon) for z in directions]
    if h.variant == "sign":
        slopes = np.sign(slopes)
    g = sum(d * z for d, z in zip(slopes, directions, strict=True)) / h.queries
    if h.variant != "conserve":
        return w - h.lr * g
    return min([w, w - h.lr * g, w + h.lr * g], key=lambda point: loss(point, t))


def fixed_point_forward_gradient(loss, w, t, h, generator):
    """Feng et al. 2024: sign-m-SPSA on integers, which every tensor multiplies by its own step."""
    most = 2 ** (h.bits - 1) - 1
    largest = [np.abs(part).max() for part in loss.parts(loss.start)]
    largest = [4 * (value or max(largest)) / most for value in largest]
    grid = flat(np.full(s, d) for s, d in zip(loss.shapes, largest, strict=True))

    def placed(x):
        return grid * np.clip(np.rint(x / grid), -most, most)

    w = placed(w)
    a_seed(generator)
    total = 0
    for _ in range(h.queries):
        z = np.clip(np.rint(normals(loss, generator) * 127 / 4), -127, 127) * 4 / 127
        difference = loss(placed(w + h.epsilon * z), t) - loss(placed(w - h.epsilon * z), t)
        total = total + np.sign(difference) * z
    return placed(w - h.lr * total / h.queries)


def eggroll(loss, w, t, h, generator):
    """Sarkar et al. 2025, section 4: antithetic pairs of rank 1, losses standardized."""
    population = []
    for _ in range(8):
        noise = []
        for shape in loss.shapes:
            draw = [(shape[0], 1), (shape[1], 1)] if len(shape) == 2 else [shape]
            some = [torch.randn(d, generator=generator, dtype=torch.float64).numpy() for d in draw]
            noise.append(some[0] @ some[1].T if len(shape) == 2 else some[0])
        population += [flat(noise), -flat(noise)]
    losses = np.array([loss(w + h.sigma * e, t) for e in population])
    fitness = (losses.mean() - losses) / losses.std()
    return w + h.lr * np.mean([f * e for f, e in zip(fitness, population, strict=True)], axis=0)


def three_layers(seed=0):
    torch.manual_seed(seed)
    hidden = nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh()
    return nn.Sequential(*hidden, mark_head(nn.Linear(4, 3))).double()


def errors(scores, targets):
    """The derivative of the mean cross entropy by the scores."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True) - np.eye(3)[targets]) / len(scores)


def blocks(setting, t, weights, m):
    """Gradients of both blocks, of the first one's classifier m, and the first's from the end."""
    w1, b1, w2, b2, w3, b3 = weights
    inputs, targets = (x.numpy() for x in setting.batch(t))
    a1 = np.tanh(inputs @ w1.T + b1)
    a2 = np.tanh(a1 @ w2.T + b2)
    e3, e1 = errors(a2 @ w3.T + b3, targets), errors(a1 @ m.T, targets)
    e2 = e3 @ w3 * (1 - a2**2)
    last = [e2.T @ a1, e2.sum(0), e3.T @ a2, e3.sum(0)]
    local, through = ((e * (1 - a1**2)) for e in (e1 @ m, e2 @ w2))
    first, true = ([e.T @ inputs, e.sum(0)] for e in (local, through))
    return first, last, e1.T @ a1, true


def classifier(generator):
    return torch.randn(3, 6, generator=generator, dtype=torch.float64).numpy() / np.sqrt(6)


def mono_forward(setting: Setting) -> list[Weights]:
    """Gong et al. 2025: local cross entropies, by hand, and Adam for weights and classifier."""
    weights = [w.copy() for w in setting.weights]
    everything = [*weights, classifier(setting.generator())]
    means, squares = ([np.zeros_like(w) for w in everything] for _ in range(2))
    found = []
    for t in range(setting.steps):
        first, last, of_m, _ = blocks(setting, t, everything[:6], everything[6])
        for i, g in enumerate([*first, *last, of_m]):
            means[i] = 0.9 * means[i] + 0.1 * g
            squares[i] = 0.999 * squares[i] + 0.001 * g**2
            m, v = means[i] / (1 - 0.9 ** (t + 1)), squares[i] / (1 - 0.999 ** (t + 1))
            everything[i] = everything[i] - setting.h["lr"] * m / (np.sqrt(v) + 1e-8)
        found.append(everything[:6])
    return found


def forward_gradient_local(setting: Setting) -> list[Weights]:
    """Fournier et al. 2023: the slope along a guess, by the true gradient, times the guess."""
    generator = setting.generator()
    everything = [*setting.weights, classifier(generator)]
    velocities = [np.zeros_like(w) for w in everything]
    found = []
    for t in range(setting.steps):
        first, last, of_m, true = blocks(setting, t, everything[:6], everything[6])
        local = setting.h["guess"] == "local"
        guess = first
        if not local:
            drawn = [torch.randn(g.shape, generator=generator, dtype=torch.float64) for g in first]
            guess = [d.numpy() for d in drawn]
        slope = flat(true) @ flat(guess) / (flat(guess) @ flat(guess) if local else 1)
        for i, g in enumerate([*(slope * v for v in guess), *last, of_m]):
            velocities[i] = 0.9 * velocities[i] + g
            everything[i] = everything[i] - setting.h["lr"] * velocities[i]
        found.append(everything[:6])
    return found


def on_network(reference, rule, **how):
    return whole(reference, steps_of(rule), on_network=True, **how)


# Differences of two losses lose digits: the width of a difference is chosen to keep enough.
WIDE = {"epsilon": 0.03}
OPTIMIZERS = {
    "mezo": on_network("NumPy: Malladi et al. 2023, algorithm 1", mezo, hyper=WIDE),
    "forward_gradient": on_network(
        "NumPy: Baydin et al. 2022, algorithm 1", forward_gradient, variants=[{}, {"lr": 0.01}]
    ),
    "zo_sgd": on_network(
        "NumPy: Zhang et al. 2024, section 3",
        zo_sgd,
        hyper=WIDE,
        variants=[
            {"variant": "plain"},
            {"variant": "sign", "queries": 3},
            {"variant": "conserve", "queries": 2, "lr": 0.02},
        ],
    ),
    "fixed_point_forward_gradient": on_network(
        "NumPy: Feng et al. 2024, sign-m-SPSA on integers",
        fixed_point_forward_gradient,
        variants=[{}, {"bits": 8, "lr": 0.05, "epsilon": 0.05, "queries": 3}],
    ),
    "mono_forward": whole(
        "NumPy: Gong et al. 2025, section 3",
        mono_forward,
        on_network=True,
        model=three_layers,
        variants=[{}, {"lr": 0.03}],
    ),
    "forward_gradient_local": whole(
        "NumPy: Fournier et al. 2023, section 3",
        forward_gradient_local,
        on_network=True,
        model=three_layers,
        variants=[{}, {"guess": "random"}],
    ),
    "eggroll": on_network("NumPy: Sarkar et al. 2025", eggroll, variants=[{}, {"sigma": 0.2}]),
}
