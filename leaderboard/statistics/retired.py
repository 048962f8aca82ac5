"""The rules of the former board, retired: removed once nothing imports this module."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.statistics.intervals import Interval
from leaderboard.statistics.variances import Floats
from suite.training.seeds import derive

REPETITIONS = 2000
#: the percentiles of the resampled estimates at which an interval ends
PERCENTILES = (2.5, 97.5)
#: Seeds to the share of intervals of the mean that hold the true mean, if scores are normal. It is
#: below 95%: a few resampled seeds vary less than the distribution that they come from.
COVERAGE = {3: 0.75, 5: 0.84}


def generator(*purpose: str | int) -> np.random.Generator:
    """The random generator of one purpose: the same on every machine."""
    return np.random.default_rng(derive(0, "leaderboard", *purpose))


def bootstrap(
    scores: ArrayLike, rng: np.random.Generator, repetitions: int = REPETITIONS
) -> Floats:
    """Resamples of one task's scores over seeds: (seeds,) to (repetitions, seeds)."""
    values = np.asarray(scores, float)
    return values[rng.integers(len(values), size=(repetitions, len(values)))]


def percentile_interval(value: float, resampled: Floats) -> Interval:
    """An estimate with the ends of its bootstrap interval, from `resampled`: (repetitions,)."""
    low, high = np.percentile(resampled, PERCENTILES)
    return Interval(float(value), float(low), float(high))


def mean_interval(
    scores: ArrayLike, rng: np.random.Generator, repetitions: int = REPETITIONS
) -> Interval:
    """The mean over seeds with its bootstrap interval."""
    resampled = bootstrap(scores, rng, repetitions).mean(axis=1)
    return percentile_interval(float(np.mean(np.asarray(scores, float))), resampled)


def interquartile_mean(scores: ArrayLike) -> Floats:
    """Mean of the middle half along the last axis; each side loses a quarter, rounded down."""
    ordered = np.sort(np.asarray(scores, float), axis=-1)
    n = ordered.shape[-1]
    cut = n // 4
    return np.asarray(ordered[..., cut : n - cut].mean(axis=-1))


def iqm_interval(
    tasks: Sequence[ArrayLike], rng: np.random.Generator, repetitions: int = REPETITIONS
) -> Interval:
    """Interquartile mean over all runs of a track, with its stratified bootstrap interval.

    `tasks` holds one array of scores over seeds per task; seeds are resampled within each task, so
    that the interval is about repeating the runs on these tasks, not about other tasks.
    """
    resampled = np.concatenate([bootstrap(scores, rng, repetitions) for scores in tasks], axis=1)
    together = np.concatenate([np.asarray(scores, float) for scores in tasks])
    return percentile_interval(float(interquartile_mean(together)), interquartile_mean(resampled))


def win_probability(tasks: Sequence[Sequence[ArrayLike]]) -> Floats:
    """Probability that a run of method i beats one of method j: (methods, methods).

    `tasks[t][i]` holds method i's scores over seeds on task t; higher is better, a tie counts one
    half. Averaged over tasks; the diagonal is one half.
    """
    total = np.zeros((len(tasks[0]), len(tasks[0])))
    for methods in tasks:
        width = max(np.size(scores) for scores in methods)
        padded = np.full((len(methods), width), np.nan)
        for i, scores in enumerate(methods):
            padded[i, : np.size(scores)] = np.asarray(scores, float)
        present = ~np.isnan(padded)
        mine, theirs = padded[:, None, :, None], padded[None, :, None, :]
        wins = (mine > theirs).sum((2, 3)) + 0.5 * (mine == theirs).sum((2, 3))
        counts = present.sum(1)
        total += wins / (counts[:, None] * counts[None, :])
    return total / len(tasks)


def mean_rank(scores: ArrayLike) -> Floats:
    """Mean over tasks of the rank among methods: (methods, tasks) to (methods,).

    Higher scores are better and rank lower; ties share the mean of their ranks.
    """
    values = np.asarray(scores, float)
    better = (values[None, :, :] > values[:, None, :]).sum(1)
    equal = (values[None, :, :] == values[:, None, :]).sum(1)
    return np.asarray((better + (equal + 1) / 2).mean(axis=1))
