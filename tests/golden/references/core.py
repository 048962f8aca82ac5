"""References of the first components: one optimizer, one regularizer, one schedule a form."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.golden.golden import closed_form, elementwise, library


def lion(t, w, g, memory, h, fact):
    """Chen et al. 2023, algorithm 2."""
    m = memory.get("m", np.zeros_like(w))
    update = np.sign(0.9 * m + 0.1 * g)
    memory["m"] = 0.99 * m + 0.01 * g
    return w - h.lr * (update + h.weight_decay * w)


def adamw(t, w, g, memory, h, fact):
    """Loshchilov and Hutter 2019, algorithm 2, with the decay multiplied by the learning rate."""
    m = memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w - h.lr * (step + h.weight_decay * w)


def sgd(parameters, h):
    decay = h.weight_decay
    return torch.optim.SGD(parameters, h.lr, h.momentum, nesterov=h.nesterov, weight_decay=decay)


def grokfast_ema(t, w, g, memory, h, fact):
    """Lee et al. 2024, algorithm 1, begun at the first gradient, under SGD with rate 0.05."""
    slow = memory["slow"] = h.alpha * memory.get("slow", g) + (1 - h.alpha) * g
    return w - 0.05 * (g + h.amplification * slow)


def cosine(progress, h):
    """Loshchilov and Hutter 2017, equation 5, without a restart, after a linear warm-up."""
    if progress < h.warmup:
        return progress / h.warmup
    share = (progress - h.warmup) / (1 - h.warmup)
    return h.final + (1 - h.final) * (1 + math.cos(math.pi * share)) / 2


OPTIMIZERS = {
    "adamw": elementwise("NumPy: Loshchilov and Hutter 2019, algorithm 2", adamw),
    "lion": elementwise("NumPy: Chen et al. 2023, algorithm 2", lion),
    "sgd": library(
        "torch.optim.SGD, unfused",
        sgd,
        variants=[{"nesterov": True}, {"nesterov": False}],
    ),
}
REGULARIZERS = {
    "grokfast_ema": elementwise("NumPy: Lee et al. 2024, algorithm 1", grokfast_ema),
}
SCHEDULES = {
    "cosine": closed_form(
        "Loshchilov and Hutter 2017, equation 5", cosine, [{}, {"warmup": 0.1, "final": 0.2}]
    ),
}
