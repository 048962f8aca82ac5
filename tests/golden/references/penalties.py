"""References of penalties on weights, outputs and gradients, under SGD with rate 0.05."""

from __future__ import annotations

import numpy as np
import torch

from tests.golden.golden import elementwise, library, whole
from tests.golden.perceptron import descend, gradient, of_scores, softmax
from tests.golden.stream import CHANGES, streamed

RATE = 0.05
#: strong enough that the penalty is a visible part of the step
STRONG = {"strength": 0.3}


def l1(t, w, g, memory, h, fact):
    """Tibshirani 1996; Beck and Teboulle 2009, eq. 1.5."""
    chosen = "bias" not in fact.name and fact.role != "norm"
    if h.form == "subgradient":
        return w - RATE * (g + h.strength * np.sign(w) * chosen)
    moved = w - RATE * g
    if not chosen:
        return moved
    return np.where(
        np.abs(moved) <= RATE * h.strength, 0, moved - RATE * h.strength * np.sign(moved)
    )


def l2(t, w, g, memory, h, fact):
    """Krogh and Hertz 1992, eq. 1."""
    return (1 - RATE * h.strength) * w - RATE * g


def coupled(parameters, h):
    return torch.optim.SGD(parameters, RATE, weight_decay=h.strength)


def l2_init(t, w, g, memory, h, fact):
    """Kumar et al. 2023."""
    first = memory.setdefault("first", w)
    return w - RATE * (g + 2 * h.strength * (w - first))


def z_loss(taken, h, step):
    """Chowdhery et al. 2022: d (log Z)^2 = 2 log Z softmax."""
    normalizer = np.log(np.exp(taken.scores).sum(1, keepdims=True))
    more = 2 * h["strength"] * normalizer * softmax(taken.scores) / len(taken.scores)
    return taken.slope + more


def flooding(taken, h, step):
    """Ishida et al. 2020."""
    return taken.slope * np.sign(taken.loss - h["level"])


def spectral_decoupling(taken, h, step):
    """Pezeshki et al. 2021."""
    return taken.slope + h["strength"] * taken.scores / taken.scores.size


def gradient_regularization(setting):
    """Karakida et al. 2023, F-GR and B-GR."""
    h = setting.h

    def gradients(weights, step):
        g = gradient(weights, setting, step)
        sign = {"forward": 1, "backward": -1}[h["difference"]]
        there = [w + sign * h["ascent"] * d for w, d in zip(weights, g, strict=True)]
        other = gradient(there, setting, step)
        slopes = [sign * (b - a) / h["ascent"] for a, b in zip(g, other, strict=True)]
        return [a + h["strength"] * s for a, s in zip(g, slopes, strict=True)]

    return descend(setting, gradients)


def row_lengths(w):
    rows = np.sqrt((w.reshape(len(w), -1) ** 2).sum(1))
    return rows.reshape(-1, *[1] * (w.ndim - 1))


def max_norm(t, w, g, memory, h, fact):
    """Srivastava et al. 2014, section 5.1."""
    w = w - RATE * g
    if fact.role not in ("hidden", "conv", "head"):
        return w
    return w / np.maximum(1, row_lengths(w) / h.radius)


def norm_loss(t, w, g, memory, h, fact):
    """Georgiou et al. 2021: d (1 - ||w||)^2 = 2 (1 - 1 / ||w||) w."""
    if fact.role in ("hidden", "conv", "head"):
        g = g + 2 * h.strength * (1 - 1 / row_lengths(w)) * w
    return w - RATE * g


def spectral_reg(setting):
    """Lewandowski et al. 2025 with k = 2; ten power iterations at first, one after each step."""
    h, generator = setting.h, setting.generator()
    pairs = {}

    def iterate(i, w, times):
        for _ in range(times):
            u = w @ pairs[i][1]
            u /= np.linalg.norm(u)
            v = w.T @ u
            pairs[i] = u, v / np.linalg.norm(v)

    for i, w in enumerate(setting.weights):
        if w.ndim > 1:
            w = w.reshape(len(w), -1)
            pairs[i] = None, torch.randn(w.shape[1], generator=generator).double().numpy()
            iterate(i, w, 10)
    weights, steps = list(setting.weights), []
    for given in setting.gradients:
        for i, (w, g, fact) in enumerate(zip(weights, given, setting.facts, strict=True)):
            if i in pairs:
                u, v = pairs[i]
                sigma = u @ w.reshape(len(w), -1) @ v
                slope = 4 * sigma * (sigma**2 - 1) * np.outer(u, v).reshape(w.shape)
            elif fact.role == "norm" and fact.name.endswith("weight"):
                slope = 2 * (w - 1)
            else:
                slope = 4 * (w**2).sum() * w
            weights[i] = w - RATE * (g + h["strength"] * slope)
            if i in pairs:
                iterate(i, weights[i].reshape(len(w), -1), 1)
        steps.append(list(weights))
    return steps


def wasserstein_reg(t, w, g, memory, h, fact):
    """Lewandowski et al. 2024: the i-th smallest weight is drawn to the i-th smallest at first."""
    first = memory.setdefault("first", np.sort(w.ravel()))
    ranks = np.argsort(np.argsort(w.ravel())).reshape(w.shape)
    return w - RATE * (g + 2 * h.strength * (w - first[ranks]))


def iss_p(t, w, g, memory, h, fact):
    """Wang et al. 2023: shrunk by 0.95 in the first steps, then pruned for good."""
    w = w - RATE * g
    if fact.role not in ("hidden", "conv"):
        return w
    count = int(h.sparsity * w.size)
    limit = np.sort(np.abs(w).ravel())[count]
    if (t - 1) / 25 < h.until:
        return np.where(np.abs(w) < limit, 0.95 * w, w)
    return np.where(memory.setdefault("pruned", np.abs(w) < limit), 0, w)


def l2_weight_perturbation(setting):
    """Dohare et al. 2024."""
    h, generator = setting.h, setting.generator()
    weights, steps = list(setting.weights), []
    for given in setting.gradients:
        weights = [
            (1 - RATE * h["strength"]) * w - RATE * g for w, g in zip(weights, given, strict=True)
        ]
        weights = [
            w + h["noise"] * torch.randn(w.shape, generator=generator).double().numpy()
            for w in weights
        ]
        steps.append(weights)
    return steps


def shrink_and_perturb(setting):
    """Ash and Adams 2020: fresh weights are the initial ones in another order."""
    h, generator = setting.h, setting.generator()
    weights, steps = list(setting.weights), []
    for t, given in enumerate(setting.gradients):
        if t in CHANGES:
            weights = list(weights)
            for i, first in enumerate(setting.weights):
                order = torch.randperm(first.size, generator=generator).numpy()
                fresh = first.ravel()[order].reshape(first.shape)
                weights[i] = h["shrink"] * weights[i] + h["perturb"] * fresh
        weights = [w - RATE * g for w, g in zip(weights, given, strict=True)]
        steps.append(weights)
    return steps


REGULARIZERS = {
    "l1": elementwise(
        "NumPy: Tibshirani 1996; Beck and Teboulle 2009, eq. 1.5",
        l1,
        hyper=STRONG,
        variants=[{"form": "subgradient"}, {"form": "proximal"}],
    ),
    "l2": [
        elementwise("NumPy: Krogh and Hertz 1992, eq. 1", l2, hyper=STRONG),
        library("torch.optim.SGD's weight_decay", coupled, hyper=STRONG),
    ],
    "l2_init": elementwise("NumPy: Kumar et al. 2023", l2_init, hyper=STRONG),
    "z_loss": whole(
        "NumPy: Chowdhery et al. 2022, section 5",
        of_scores(z_loss),
        hyper={"strength": 0.1},
        on_network=True,
    ),
    "flooding": whole(
        "NumPy: Ishida et al. 2020, section 3",
        of_scores(flooding),
        # Losses of the five batches are between 0.9 and 1.4: some are above, some below.
        hyper={"level": 1.1},
        on_network=True,
    ),
    "spectral_decoupling": whole(
        "NumPy: Pezeshki et al. 2021",
        of_scores(spectral_decoupling),
        hyper=STRONG,
        on_network=True,
    ),
    "gradient_regularization": whole(
        "NumPy: Karakida et al. 2023, F-GR and B-GR",
        gradient_regularization,
        variants=[{"difference": "forward"}, {"difference": "backward"}],
        on_network=True,
    ),
    "max_norm": elementwise(
        "NumPy: Srivastava et al. 2014, section 5.1", max_norm, hyper={"radius": 1.2}
    ),
    "norm_loss": elementwise("NumPy: Georgiou et al. 2021", norm_loss, hyper=STRONG),
    "spectral_reg": whole(
        "NumPy: Lewandowski et al. 2025 with k = 2", spectral_reg, hyper={"strength": 0.02}
    ),
    "wasserstein_reg": elementwise(
        "NumPy: Lewandowski et al. 2024, order statistics", wasserstein_reg, hyper=STRONG
    ),
    "iss_p": elementwise(
        "NumPy: Wang et al. 2023",
        iss_p,
        variants=[{"sparsity": 0.9, "until": 0.5}, {"sparsity": 0.4, "until": 0.9}],
    ),
    "l2_weight_perturbation": whole(
        "NumPy: Dohare et al. 2024",
        l2_weight_perturbation,
        hyper={"strength": 0.3, "noise": 0.1},
    ),
    "shrink_and_perturb": streamed(
        "NumPy: Ash and Adams 2020, section 4", "shrink_and_perturb", shrink_and_perturb, {}
    ),
}
