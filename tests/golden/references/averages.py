"""References of averages of the weights: what is evaluated, along fixed gradients."""

from __future__ import annotations

import numpy as np

from tests.golden.golden import whole
from tests.golden.stream import CHANGES, streamed
from tests.golden.walk import STEPS

RATE = 0.05


def iterates(setting):
    """The weights of gradient descent, those at first and after each step."""
    found = [setting.weights]
    for given in setting.gradients:
        found.append([w - RATE * g for w, g in zip(found[-1], given, strict=True)])
    return found


def weighted(setting, weights_of):
    """Sums of the iterates; `weights_of(t)` has a weight for each of 0 to t after step t."""
    found = iterates(setting)
    steps = []
    for t in range(1, STEPS + 1):
        shares = weights_of(t)
        tensors = zip(*found[: t + 1], strict=True)
        steps.append([np.tensordot(shares, np.stack(each), 1) for each in tensors])
    return steps


def only_last(t):
    return np.eye(t + 1)[t]


def mean_of(chosen, t):
    shares = np.zeros(t + 1)
    shares[chosen] = 1 / len(chosen)
    return shares


def iterate_averaging(setting):
    """Polyak and Juditsky 1992; Jain et al. 2018: step t begins at the share (t - 1) / 25."""

    def shares(t):
        chosen = [s for s in range(1, t + 1) if (s - 1) / STEPS >= setting.h["start"]]
        return mean_of(chosen, t) if chosen else only_last(t)

    return weighted(setting, shares)


def swa_trajectory(setting):
    """Hägele et al. 2024: the latest whole window."""
    length = round(setting.h["window"] * STEPS)

    def shares(t):
        whole = t // length * length
        chosen = range(whole - length + 1, whole + 1) if whole else range(1, t + 1)
        return mean_of(list(chosen), t)

    return weighted(setting, shares)


def swa(setting):
    """Izmailov et al. 2018, algorithm 1, with a cycle of an epoch; 25 steps allow one step only."""

    def shares(t):
        chosen = [s for s in range(1, t + 1) if (s - 1) / STEPS >= setting.h["start"]]
        return mean_of(chosen, t) if chosen else only_last(t)

    return weighted(setting, shares)


def iterate_ema(setting):
    """Morales-Brotons et al. 2024, with the sum of the factors divided out."""
    decay = setting.h["decay"]

    def shares(t):
        powers = np.array([0.0] + [decay ** (t - s) for s in range(1, t + 1)])
        return powers / powers.sum()

    return weighted(setting, shares)


def bema(setting):
    """Block and Zhang 2025, algorithm 1, with rho = 10."""
    h, found = setting.h, iterates(setting)
    mean, steps = found[0], []
    for t, weights in enumerate(found[1:], start=1):
        beta, alpha = (10 + t) ** -h["ema_power"], (10 + t) ** -h["bias_power"]
        mean = [(1 - beta) * m + beta * w for m, w in zip(mean, weights, strict=True)]
        triples = zip(mean, weights, found[0], strict=True)
        steps.append([m + alpha * (w - first) for m, w, first in triples])
    return steps


def bcwi(setting):
    """Schumann et al. 2024: the old weights are those evaluated before the task changed."""
    alpha, old, steps = setting.h["alpha"], None, []
    for t, weights in enumerate(iterates(setting)[1:]):
        if t in CHANGES:
            old = steps[-1]
        mixed = weights
        if old is not None:
            mixed = [alpha * a + (1 - alpha) * b for a, b in zip(old, weights, strict=True)]
        steps.append(mixed)
    return steps


REGULARIZERS = {
    "iterate_averaging": whole(
        "NumPy: Polyak and Juditsky 1992; Jain et al. 2018",
        iterate_averaging,
        variants=[{"start": start} for start in (0.0, 0.25, 0.5, 0.75, 0.9)],
        evaluated=True,
    ),
    "swa_trajectory": whole(
        "NumPy: Hägele et al. 2024, section 5",
        swa_trajectory,
        variants=[{"window": 0.2}, {"window": 0.28}],
        evaluated=True,
    ),
    "swa": whole("NumPy: Izmailov et al. 2018, algorithm 1", swa, evaluated=True),
    "iterate_ema": whole(
        "NumPy: Morales-Brotons et al. 2024",
        iterate_ema,
        variants=[{"decay": 0.9}, {"decay": 0.99}],
        evaluated=True,
    ),
    "bema": whole(
        "NumPy: Block and Zhang 2025, algorithm 1",
        bema,
        variants=[{}, {"ema_power": 0.7, "bias_power": 0.0}],
        evaluated=True,
    ),
    "bcwi": streamed("NumPy: Schumann et al. 2024", "bcwi", bcwi, {"alpha": 0.3}, evaluated=True),
}
