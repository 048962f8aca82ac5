"""References of normalizations and reparametrizations, on networks under SGD with rate 0.05."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from suite.components.parameters import mark_head
from tests.golden.effective import trained
from tests.golden.golden import whole
from tests.golden.perceptron import batch, descend, gradient, softmax
from tests.objectives import FEATURES

RATE = 0.05
EPSILON = 1e-5


def standardized(x, axis):
    """x with mean 0 and variance 1 along an axis, and 1 / deviation."""
    inverse = 1 / np.sqrt(x.var(axis=axis, keepdims=True) + EPSILON)
    return (x - x.mean(axis=axis, keepdims=True)) * inverse, inverse


def through(slope, normalized, inverse, axis):
    """The gradient at the inputs of `standardized`."""
    mean = slope.mean(axis=axis, keepdims=True)
    along = (slope * normalized).mean(axis=axis, keepdims=True)
    return inverse * (slope - mean - along * normalized)


def with_batch_norm():
    torch.manual_seed(3)
    layers = nn.Linear(FEATURES, 6), nn.BatchNorm1d(6), nn.Tanh(), mark_head(nn.Linear(6, 3))
    return nn.Sequential(*layers).double()


def ghost_batchnorm(setting):
    """Hoffer et al. 2017, algorithm 1: each part of the batch has its own statistics."""
    parts = max(1, 12 // setting.h["size"])

    def gradients(weights, step):
        w, b, scale, shift, v, c = weights
        inputs, targets = batch(setting, step)
        total = [np.zeros_like(each) for each in weights]
        size = math.ceil(len(inputs) / parts)
        for first in range(0, len(inputs), size):
            x, y = inputs[first : first + size], targets[first : first + size]
            normalized, inverse = standardized(x @ w.T + b, 0)
            hidden = np.tanh(scale * normalized + shift)
            slope = (softmax(hidden @ v.T + c) - np.eye(3)[y]) / len(inputs)
            into = slope @ v * (1 - hidden**2)
            below = through(into * scale, normalized, inverse, 0)
            found = [below.T @ x, below.sum(0), (into * normalized).sum(0), into.sum(0)]
            found += [slope.T @ hidden, slope.sum(0)]
            total = [a + g for a, g in zip(total, found, strict=True)]
        return total

    return descend(setting, gradients)


def nap(setting):
    """Lyle et al. 2024: layer norm before the tanh, the hidden matrix at its initial norm."""
    weights, steps = list(setting.weights), []
    norm = np.linalg.norm(weights[0])
    for step in range(setting.steps):
        w, b, v, c = weights
        x, y = batch(setting, step)
        normalized, inverse = standardized(x @ w.T + b, 1)
        hidden = np.tanh(normalized)
        slope = (softmax(hidden @ v.T + c) - np.eye(3)[y]) / len(x)
        below = through(slope @ v * (1 - hidden**2), normalized, inverse, 1)
        w = w - RATE * below.T @ x
        w = w * norm / np.linalg.norm(w)
        rest = [b - RATE * below.sum(0), v - RATE * slope.T @ hidden, c - RATE * slope.sum(0)]
        weights = [w, *rest]
        steps.append(weights)
    return steps


def reparametrized(begin, forward, backward, chosen=(0, 2)):
    """Descent on the factors of the chosen arrays.

    `begin(w, h)` gives factors, `forward(*factors)` the weight, and `backward(slope, *factors)`
    the gradients of the factors from that of the weight.
    """

    def trajectory(setting):
        weights = list(setting.weights)
        factors = {i: begin(weights[i], setting.h) for i in chosen}
        steps = []
        for step in range(setting.steps):
            used = [forward(*factors[i]) if i in factors else w for i, w in enumerate(weights)]
            slopes = gradient(used, setting, step)
            for i, slope in enumerate(slopes):
                if i in factors:
                    found = backward(slope, *factors[i])
                    pairs = zip(factors[i], found, strict=True)
                    factors[i] = tuple(f - RATE * g for f, g in pairs)
                else:
                    weights[i] = weights[i] - RATE * slope
            used = [forward(*factors[i]) if i in factors else w for i, w in enumerate(weights)]
            steps.append(used)
        return steps

    return trajectory


def lengths(w):
    return np.linalg.norm(w, axis=1, keepdims=True)


def weight_norm_backward(slope, g, v):
    """Salimans and Kingma 2016, eq. 3."""
    along = (slope * v).sum(1, keepdims=True) / lengths(v)
    return along, g / lengths(v) * slope - g * along / lengths(v) ** 2 * v


weight_norm = reparametrized(
    lambda w, h: (lengths(w), w), lambda g, v: g * v / lengths(v), weight_norm_backward
)


def conditioning_backward(slope, w):
    n = lengths(w)
    return (slope / n - (slope * w).sum(1, keepdims=True) / n**3 * w,)


weight_conditioning = reparametrized(
    lambda w, h: (w,), lambda w: w / lengths(w), conditioning_backward, chosen=(0,)
)


def compander_backward(slope, v, a, b):
    steep = 1 / (1 + (v / b) ** 2)
    of_b = -(slope * a * v / b**2 * steep).sum()
    return slope * a / b * steep, (slope * np.arctan(v / b)).sum(), of_b


weight_compander = reparametrized(
    lambda w, h: (h["b"] * np.tan(w / h["a"]), h["a"], h["b"]),
    lambda v, a, b: a * np.arctan(v / b),
    compander_backward,
)

REGULARIZERS = {
    "ghost_batchnorm": whole(
        "NumPy: Hoffer et al. 2017, algorithm 1",
        ghost_batchnorm,
        variants=[{"size": 4}, {"size": 5}, {"size": 3}, {"size": 32}],
        on_network=True,
        model=with_batch_norm,
    ),
    "nap": whole("NumPy: Lyle et al. 2024", nap, on_network=True),
    "weight_norm": trained(
        "NumPy: Salimans and Kingma 2016, eq. 2 and 3", "weight_norm", weight_norm
    ),
    "weight_conditioning": trained(
        "NumPy: Saratchandran et al. 2024", "weight_conditioning", weight_conditioning
    ),
    "weight_compander": trained("NumPy: Cakaj et al. 2023", "weight_compander", weight_compander),
}
