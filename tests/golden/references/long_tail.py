"""References of methods for long tails, on the small network under SGD with rate 0.05."""

from __future__ import annotations

import numpy as np
import torch

from tests.golden.golden import whole
from tests.golden.perceptron import backward, batch, descend, forward

RATE = 0.05
CLASSES = 3


def seen(setting, step):
    """How many examples of each class the batches before a step had."""
    targets = np.concatenate([batch(setting, t)[1] for t in range(step)])
    return np.bincount(targets, minlength=CLASSES)


def weight_balancing(setting):
    """Alshammari et al. 2022; the last tenth of 25 steps is the second stage."""
    h, weights, steps = setting.h, list(setting.weights), []
    first = next(t for t in range(25) if t / 25 >= 1 - h["second"])
    for step in range(setting.steps):
        taken = forward(weights, *batch(setting, step))
        if step < first:
            slopes = backward(weights, taken, taken.slope)
            slopes = [g + h["decay"] * w for g, w in zip(slopes, weights, strict=True)]
            weights = [w - RATE * g for w, g in zip(weights, slopes, strict=True)]
        else:
            if step == first:
                counts = seen(setting, first) / seen(setting, first).sum() * 60
                balance = 1 / (1 - 0.9999**counts)
                balance = balance / balance.sum() * CLASSES
                lengths = np.linalg.norm(weights[2], axis=1)
                radius = lengths.min() + 0.1 * (lengths.max() - lengths.min())
            slope = taken.slope * balance[taken.targets][:, None]
            *_, g, b = backward(weights, taken, slope)
            head = weights[2] - RATE * (g + h["head_decay"] * weights[2])
            bias = weights[3] - RATE * (b + h["head_decay"] * weights[3])
            lengths = np.linalg.norm(head, axis=1, keepdims=True)
            weights = [*weights[:2], head * np.minimum(1, radius / lengths), bias]
        steps.append(weights)
    return steps


def one_stage(setting):
    """Hasegawa and Sato 2024."""
    h, units = setting.h, setting.weights[0].shape[0]
    drawn = torch.randn(units, CLASSES, generator=setting.generator(), dtype=torch.float64)
    basis = np.linalg.qr(drawn.numpy())[0]
    frame = np.sqrt(CLASSES / (CLASSES - 1)) * (np.eye(CLASSES) - 1 / CLASSES) @ basis.T
    setting.weights[2] = frame

    def gradients(weights, step):
        taken = forward(weights, *batch(setting, step))
        found = backward(weights, taken, taken.slope)
        # d/dh of features / 2 mean |h|^2, through the tanh
        into = h["features"] * taken.hidden / len(taken.hidden) * (1 - taken.hidden**2)
        found[0] = found[0] + into.T @ taken.inputs + h["decay"] * weights[0]
        found[1] = found[1] + into.sum(0) + h["decay"] * weights[1]
        return [*found[:2], np.zeros_like(frame), found[3] + h["decay"] * weights[3]]

    return descend(setting, gradients)


def adjusted(setting):
    """The same with scores multiplied by p^-tau, over the geometric mean of these factors."""
    steps = []
    for step, weights in enumerate(one_stage(setting)):
        counts = seen(setting, step + 1)
        factors = (counts / counts.sum()) ** -setting.h["tau"]
        factors = factors / np.prod(factors) ** (1 / CLASSES)
        steps.append([*weights[:2], weights[2] * factors[:, None], weights[3] * factors])
    return steps


STRONG = {"decay": 0.1, "features": 0.2}
REGULARIZERS = {
    "weight_balancing": whole(
        "NumPy: Alshammari et al. 2022, both stages",
        weight_balancing,
        hyper={"decay": 0.05, "second": 0.3},
        on_network=True,
    ),
    "wb_one_stage": [
        whole("NumPy: Hasegawa and Sato 2024", one_stage, hyper=STRONG, on_network=True),
        whole(
            "NumPy: Hasegawa and Sato 2024, adjusted scores",
            adjusted,
            hyper=STRONG,
            evaluated=True,
            on_network=True,
        ),
    ],
}
