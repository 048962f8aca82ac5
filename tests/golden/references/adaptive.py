"""References of the Adam-like optimizers: the papers' equations in NumPy, and other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytorch_optimizer
import torch

from tests.golden.golden import elementwise, library, whole


def average(memory, name, value, beta):
    """An exponential average that begins at 0."""
    memory[name] = beta * memory.get(name, 0) + (1 - beta) * value
    return memory[name]


def adam(t, w, g, memory, h, fact):
    """Kingma and Ba 2015, algorithm 1."""
    m = average(memory, "m", g, h.beta1) / (1 - h.beta1**t)
    v = average(memory, "v", g**2, h.beta2) / (1 - h.beta2**t)
    return w - h.lr * m / (np.sqrt(v) + 1e-8)


def nadam(t, w, g, memory, h, fact):
    """Dozat 2016, algorithm 2 with the schedule of its footnote, and a decoupled decay."""
    mu = h.beta1 * (1 - 0.5 * 0.96 ** (t / 250))
    following = h.beta1 * (1 - 0.5 * 0.96 ** ((t + 1) / 250))
    product = memory["product"] = memory.get("product", 1.0) * mu
    m = average(memory, "m", g, h.beta1)
    v = average(memory, "v", g**2, 0.999) / (1 - 0.999**t)
    ahead = following * m / (1 - product * following) + (1 - mu) * g / (1 - product)
    return w - h.lr * (ahead / (np.sqrt(v) + 1e-8) + h.weight_decay * w)


def adagrad(t, w, g, memory, h, fact):
    """Duchi et al. 2011, figure 1, diagonal."""
    total = memory["total"] = memory.get("total", h.initial) + g**2
    return w - h.lr * g / (np.sqrt(total) + 1e-10)


def rmsprop(t, w, g, memory, h, fact):
    """Tieleman and Hinton 2012, with momentum of the scaled gradient."""
    v = average(memory, "v", g**2, h.alpha)
    b = memory["b"] = h.momentum * memory.get("b", 0) + g / (np.sqrt(v) + 1e-8)
    return w - h.lr * b


def amsgrad(t, w, g, memory, h, fact):
    """Reddi et al. 2018, algorithm 2, with corrections for bias after the maximum."""
    m = average(memory, "m", g, h.beta1) / (1 - h.beta1**t)
    v = average(memory, "v", g**2, h.beta2)
    largest = memory["largest"] = np.maximum(memory.get("largest", 0), v)
    return w - h.lr * m / (np.sqrt(largest / (1 - h.beta2**t)) + 1e-8)


def radam(t, w, g, memory, h, fact):
    """Liu et al. 2020, algorithm 2, with the threshold 5 and a decoupled decay."""
    m = average(memory, "m", g, 0.9) / (1 - 0.9**t)
    v = average(memory, "v", g**2, h.beta2)
    most = 2 / (1 - h.beta2) - 1
    rho = most - 2 * t * h.beta2**t / (1 - h.beta2**t)
    step = m
    if rho > 5:
        factor = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
        step = factor * m * math.sqrt(1 - h.beta2**t) / (np.sqrt(v) + 1e-8)
    return w - h.lr * (step + h.weight_decay * w)


def rms(x):
    return math.sqrt(float(np.mean(x**2)))


def adafactor(t, w, g, memory, h, fact):
    """Shazeer and Stern 2018, algorithms 4 and 5, without a warm-up."""
    beta = 1 - t**-0.8
    square = g**2 + 1e-30
    if g.ndim > 1:
        r = average(memory, "r", square.mean(-1, keepdims=True), beta)
        c = average(memory, "c", square.mean(-2, keepdims=True), beta)
        v = r * c / r.mean(-2, keepdims=True)
    else:
        v = average(memory, "v", square, beta)
    u = g / np.sqrt(v)
    u = u / max(1, rms(u) / h.clip)
    return w - max(1e-3, rms(w)) * min(h.lr, 1 / math.sqrt(t)) * u


OPTIMIZERS = {
    "adam": elementwise(
        "NumPy: Kingma and Ba 2015, algorithm 1",
        adam,
        variants=[{"beta1": 0.0, "beta2": 0.99}, {"beta1": 0.9, "beta2": 0.9999}],
    ),
    "nadam": elementwise(
        "NumPy: Dozat 2016, algorithm 2", nadam, variants=[{}, {"beta1": 0.98}]
    ),
    "adagrad": elementwise(
        "NumPy: Duchi et al. 2011, figure 1", adagrad, variants=[{}, {"initial": 0.1}]
    ),
    "rmsprop": elementwise(
        "NumPy: Tieleman and Hinton 2012",
        rmsprop,
        variants=[{}, {"alpha": 0.99, "momentum": 0.9}, {"alpha": 0.999}],
    ),
    "amsgrad": elementwise(
        "NumPy: Reddi et al. 2018, algorithm 2",
        amsgrad,
        variants=[{}, {"beta1": 0.0, "beta2": 0.99}],
    ),
    "radam": elementwise(
        "NumPy: Liu et al. 2020, algorithm 2", radam, variants=[{}, {"beta2": 0.99}]
    ),
    "adafactor": elementwise(
        "NumPy: Shazeer and Stern 2018, algorithms 4 and 5",
        adafactor,
        variants=[{}, {"lr": 0.3, "clip": 2.0}, {"lr": 0.3}],
    ),
}
