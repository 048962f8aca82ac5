"""References of penalties on weights, outputs and gradients, under SGD with rate 0.05."""

from __future__ import annotations

import numpy as np
import torch

from tests.golden.golden import elementwise, library, whole
from tests.golden.perceptron import backward, batch, descend, forward, gradient, of_scores, softmax

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
    return np.where(np.abs(moved) <= RATE * h.strength, 0, moved - RATE * h.strength * np.sign(moved))


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
}
