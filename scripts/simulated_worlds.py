"""Simulated worlds: methods of which all true means and spreads are known, and boards of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma

from leaderboard.statistics import CLIP

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Standard normal variates."""
    return rng.normal(size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Exponential variates: skewness 2."""
    return rng.exponential(size=shape) - 1


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Lognormal variates whose logarithm has a deviation of 0.75: skewness 3.3, long upper tail."""
    variance = 0.75**2
    values = np.exp(0.75 * rng.normal(size=shape) - variance / 2) - 1
    return np.asarray(values / math.sqrt(math.exp(variance) - 1))


def bimodal(share: float) -> Noise:
    """Two modes, ten of their own deviations apart; `share` of replicates are in the lower one."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        lower = rng.random(shape) < share
        values = share - lower + 0.1 * rng.normal(size=shape)
        return np.asarray(values / math.sqrt(share * (1 - share) + 0.01))

    return draw


NOISES: dict[str, Noise] = {
    "normal": normal,
    "skewed": skewed,
    "skewed, long tail": heavy,
    "two modes, 15:85": bimodal(0.15),
    "two modes, 30:70": bimodal(0.3),
    "two modes, 50:50": bimodal(0.5),
}


@dataclass(frozen=True)
class World:
    """The truth about some methods on some tasks."""

    #: location and deviation of each method's score on each task: (tasks, methods)
    locations: Floats
    deviations: Floats
    noise: Noise
    #: the range that scores are clipped to
    clip: tuple[float, float] = (-math.inf, math.inf)
    #: share of a replicate's variance that all methods have in common
    common: float = 0.0
    #: scores are times, lognormal around the locations, and censored at `clip`'s end
    times: bool = False

    def board(self, rng: np.random.Generator, replicates: int) -> Floats:
        """The scores of one board: (tasks, methods, replicates)."""
        shape = (*self.locations.shape, replicates)
        noise = self.noise(rng, shape)
        if self.common:
            shared = self.noise(rng, (shape[0], 1, replicates))
            noise = math.sqrt(self.common) * shared + math.sqrt(1 - self.common) * noise
        return self._scores(noise)

    def means(self) -> Floats:
        """The true mean of each method's score on each task: (tasks, methods)."""
        if self.clip == (-math.inf, math.inf) and not self.times:
            return self.locations
        noise = self.noise(np.random.default_rng(0), (1, 1, 20_000))
        return np.stack(
            [self._scores(noise, task).mean(axis=1) for task in range(len(self.locations))]
        )

    def _scores(self, noise: Floats, task: int | None = None) -> Floats:
        locations, deviations = self.locations[..., None], self.deviations[..., None]
        if task is not None:
            locations, deviations, noise = locations[task], deviations[task], noise[0]
        centred = (
            locations * np.exp(deviations * noise) if self.times else locations + deviations * noise
        )
        return np.asarray(np.clip(centred, *self.clip))


def worlds(
    rng: np.random.Generator,
    noise: Noise,
    *,
    tasks: int,
    methods: int,
    spreads: Mapping[str, Sequence[float]],
    between: float = 0.0,
    common: float = 0.0,
    own: float = 0.5,
) -> Iterator[World]:
    """Worlds without end, each with other spreads: an A/A pair is methods 0 and 1.

    `between` is the deviation of the true means, 0 if all methods are equally good. `own` is that
    of the logarithm of a factor that a method's spreads on all tasks of a track share.
    """
    populations = [true_spreads(values) for values in spreads.values()]
    clip = CLIP if tasks > 1 else (-math.inf, math.inf)
    while True:
        factors = np.exp(own * rng.normal(size=methods)) if tasks > 1 else np.ones(methods)
        offset = int(rng.integers(len(populations)))
        chosen = [populations[(t + offset) % len(populations)] for t in range(tasks)]
        deviations = np.stack([rng.choice(values, methods) for values in chosen]) * factors
        means = 0.6 + between * rng.normal(size=(1, methods))
        locations = np.repeat(means, tasks, axis=0)
        deviations[:, 1], locations[:, 1] = deviations[:, 0], locations[:, 0]
        yield World(locations, deviations, noise, clip, common)


def censored_worlds(rng: np.random.Generator, *, methods: int) -> Iterator[World]:
    """Times to a target in shares of the budget, censored at 1: from 0.2 to never."""
    while True:
        locations = np.exp(rng.uniform(math.log(0.2), math.log(3), (1, methods)))
        deviations = np.exp(rng.normal(math.log(0.3), 0.5, (1, methods)))
        locations[:, 1], deviations[:, 1] = locations[:, 0], deviations[:, 0]
        yield World(locations, deviations, normal, (0.0, 1.0), times=True)


def true_spreads(measured: Sequence[float], degrees: int = 2) -> Floats:
    """Deviations that vary among methods as the true ones do, from sample deviations.

    Sample deviations of few replicates vary more than the true ones: their logarithms are moved
    towards the mean until only the excess variance is left.
    """
    logs = np.log(np.asarray(measured, float))
    total = float((2 * logs).var(ddof=1))
    excess = max(total - float(polygamma(1, degrees / 2)), 0.0)
    return np.asarray(np.exp(logs.mean() + math.sqrt(excess / total) * (logs - logs.mean())))
