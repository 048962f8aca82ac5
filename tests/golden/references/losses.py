"""References of losses, labels, data and dropout, on the small network under SGD with rate 0.05."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from suite.components.parameters import mark_head
from tests.golden.golden import whole
from tests.golden.perceptron import backward, batch, descend, forward, of_scores, softmax
from tests.golden.walk import SEED

SIDE = 6


def dropped(rate):
    """Dropout of the hidden units at `rate(progress, h)`, with the draws of torch's own stream."""

    def trajectory(setting):
        torch.manual_seed(SEED)

        def gradients(weights, step):
            inputs, targets = batch(setting, step)
            now = rate(step / setting.steps, setting.h)
            mask = np.ones((len(inputs), weights[0].shape[0]))
            if now > 0:
                kept = torch.empty(mask.shape, dtype=torch.float64).bernoulli_(1 - now).numpy()
                mask = kept / (1 - now)
            taken = forward(weights, inputs, targets, mask)
            return backward(weights, taken, taken.slope)

        return descend(setting, gradients)

    return trajectory


def always(progress, h):
    return h["rate"]


def late(progress, h):
    """Liu et al. 2023, section 5."""
    return h["rate"] * (progress >= h["start"])


def early(progress, h):
    """Liu et al. 2023, section 4."""
    left = max(0.0, 1 - progress / h["until"])
    return h["rate"] * (left if h["shape"] == "linear" else left > 0)


def pictures(step):
    """Eight images of 6 x 6 pixels."""
    generator = torch.Generator().manual_seed(100 + step % 5)
    inputs = torch.randn(8, SIDE**2, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(3, (8,), generator=generator)


def linear_classifier():
    torch.manual_seed(0)
    return nn.Sequential(mark_head(nn.Linear(SIDE**2, 3))).double()


def cutout(setting):
    """DeVries and Taylor 2017, and the authors' code: [c - length // 2, c + length // 2)."""
    generator = setting.generator()
    half = round(SIDE * setting.h["length"]) // 2

    def gradients(weights, step):
        inputs, targets = batch(setting, step)
        rows = torch.randint(SIDE, (len(inputs),), generator=generator).tolist()
        columns = torch.randint(SIDE, (len(inputs),), generator=generator).tolist()
        images = inputs.reshape(-1, SIDE, SIDE).copy()
        for image, y, x in zip(images, rows, columns, strict=True):
            image[max(0, y - half) : y + half, max(0, x - half) : x + half] = 0
        seen = images.reshape(len(images), -1)
        slope = (softmax(seen @ weights[0].T + weights[1]) - np.eye(3)[targets]) / len(seen)
        return [slope.T @ seen, slope.sum(0)]

    return descend(setting, gradients)


def label_smoothing(taken, h, step):
    """Szegedy et al. 2016, section 7: labels (1 - epsilon) one-hot + epsilon / K."""
    classes = taken.scores.shape[1]
    labels = (1 - h["epsilon"]) * taken.labels + h["epsilon"] / classes
    return (taken.probabilities - labels) / len(taken.scores)


def smoothed_loss(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets, label_smoothing=0.1)


def by_torch(setting):
    """The same loss by torch's own smoothing, trained by torch's SGD."""
    model = setting.model()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    steps = []
    for step in range(setting.steps):
        inputs, targets = setting.batch(step)
        optimizer.zero_grad()
        smoothed_loss(model(inputs), targets).backward()
        optimizer.step()
        steps.append([p.detach().numpy().copy() for p in model.parameters()])
    return steps


def tsla(taken, h, step):
    """Xu et al. 2020, algorithm 1: five epochs of five steps; whole epochs within the share."""
    epochs = int(h["drop"] * 5)
    smoothing = h["theta"] if step < epochs * 5 else 0.0
    return label_smoothing(taken, {"epsilon": smoothing}, step)


def stablemax(taken, h, step):
    """Prieto et al. 2025: -log of s(x_y) / sum of s(x)."""
    x = taken.scores
    s = np.where(x >= 0, x + 1, 1 / (1 - np.minimum(x, 0)))
    derivative = np.where(x >= 0, 1.0, 1 / (1 - np.minimum(x, 0)) ** 2)
    return (s / s.sum(1, keepdims=True) - taken.labels) * derivative / s / len(x)


def mixup(setting):
    """Zhang et al. 2018, figure 1a; Beta(alpha, alpha) as a ratio of two gamma variables."""
    generator = setting.generator()
    alpha = torch.full((2,), setting.h["alpha"], dtype=torch.float64)

    def gradients(weights, step):
        inputs, targets = batch(setting, step)
        a, b = torch._standard_gamma(alpha, generator).tolist()
        share = a / (a + b)
        order = torch.randperm(len(inputs), generator=generator).numpy()
        mixed = share * inputs + (1 - share) * inputs[order]
        hot = np.eye(3)[targets]
        taken = forward(weights, mixed, targets)
        labels = share * hot + (1 - share) * hot[order]
        return backward(weights, taken, (taken.probabilities - labels) / len(mixed))

    return descend(setting, gradients)


REGULARIZERS = {
    "dropout": whole("NumPy: Srivastava et al. 2014, section 4", dropped(always), on_network=True),
    "late_dropout": whole(
        "NumPy: Liu et al. 2023, section 5",
        dropped(late),
        hyper={"rate": 0.3, "start": 0.4},
        on_network=True,
    ),
    "early_dropout": whole(
        "NumPy: Liu et al. 2023, section 4",
        dropped(early),
        hyper={"rate": 0.3, "until": 0.5},
        variants=[{"shape": "linear"}, {"shape": "constant"}],
        on_network=True,
    ),
    "cutout": whole(
        "NumPy: DeVries and Taylor 2017, section 3.2",
        cutout,
        variants=[{"length": 0.25}, {"length": 0.5}, {"length": 0.625}],
        on_network=True,
        model=linear_classifier,
        batch=pictures,
    ),
    "label_smoothing": [
        whole(
            "NumPy: Szegedy et al. 2016, section 7",
            of_scores(label_smoothing),
            variants=[{"epsilon": 0.0}, {"epsilon": 0.3}],
            on_network=True,
        ),
        whole("torch's cross_entropy(label_smoothing=0.1)", by_torch, on_network=True),
    ],
    "tsla": whole(
        "NumPy: Xu et al. 2020, algorithm 1",
        of_scores(tsla),
        variants=[{"drop": 0.7}, {"drop": 0.45}],
        on_network=True,
    ),
    "stablemax": whole("NumPy: Prieto et al. 2025", of_scores(stablemax), on_network=True),
    "mixup": whole(
        "NumPy: Zhang et al. 2018, figure 1a",
        mixup,
        variants=[{"alpha": 0.2}, {"alpha": 1.0}],
        on_network=True,
    ),
}
