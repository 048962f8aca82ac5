"""Intervals of a mean over replicates and of a difference between two methods.

The unit is the tuning replicate. Two methods are paired by replicate: those with the same seed
share data split, initial weights and batch order. Replicates of different seeds may be paired in
any order: they are independent, and their difference is then only wider.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, ndtr, stdtr, stdtrit

from leaderboard.statistics.variances import Floats, Prior, typical

#: share of intervals that are meant to hold the long-run mean
LEVEL = 0.95
POWER = 0.8


class Interval(NamedTuple):
    """An estimate with the ends of its interval."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """A mean difference, the ends of its interval, and the p value of no difference."""

    value: float
    low: float
    high: float
    p: float


def mean_interval(
    scores: ArrayLike, prior: Prior, *, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """The mean over replicates with the interval of the long-run mean: (replicates,).

    `prior` is `pool_methods(...)` of the task; no end lies outside `bounds`, the range that the
    score can have. Raises ValueError without a score or with one that is not finite.
    """
    values = replicates(scores)
    value, error, dof = _mean(values, prior)
    return interval(value, error, dof, prior, bounds)


def interval(
    value: float, error: float, dof: float, prior: Prior, bounds: tuple[float, float]
) -> Interval:
    """Student's interval, as much longer on each side as the prior says, within `bounds`."""
    half = half_width(error, dof)
    low, high = value - prior.below * half, value + prior.above * half
    return Interval(value, min(max(low, bounds[0]), value), max(min(high, bounds[1]), value))


def difference(a: ArrayLike, b: ArrayLike, prior: Prior) -> Difference:
    """Mean of `a` minus that of `b`, paired by position: (replicates,) each.

    `prior` is `pool_pairs(...)` of the task. Two methods with the same scores have p = 1. This is
    one comparison: see `task_comparisons` for many. Raises ValueError for different numbers of
    replicates.
    """
    mine, theirs = replicates(a), replicates(b)
    if len(mine) != len(theirs):
        raise ValueError(f"{len(mine)} replicates cannot be paired with {len(theirs)}")
    value, error, dof = _mean(mine - theirs, prior)
    error *= prior.above
    half = half_width(error, dof)
    p = float(p_values(np.array(value), np.array(error), np.array(dof)))
    return Difference(value, value - half, value + half, p)


def replicates(scores: ArrayLike) -> Floats:
    """Scores as an array of replicates; raises ValueError if there are none or not finite ones."""
    values = np.asarray(scores, float)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"scores are one finite number per replicate, not {scores!r}")
    return values


def half_width(error: float, dof: float) -> float:
    """How far Student's interval reaches to each side; infinite with one replicate alone."""
    return float(stdtrit(dof, (1 + LEVEL) / 2)) * error if dof > 0 else math.inf


def p_values(values: Floats, errors: Floats, dof: Floats) -> Floats:
    """Two-sided p values of differences from zero, any shape; 1 where the difference is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = np.where(values == 0, 0.0, np.abs(values) / errors)
        found = np.where(dof > 0, 2 * stdtr(dof, -statistics), 1.0)
    return np.asarray(np.minimum(found, 1.0))


def detectable_difference(
    prior: Prior, count: int, *, comparisons: int = 1, power: float = POWER
) -> float:
    """The true difference between two methods that `count` replicates find with this power.

    In the units of the score, for a pair of typical variance; `prior` is `pool_pairs(...)`. With
    `comparisons`, as one of so many of which none is found yet. Nothing is found with one
    replicate: infinite.
    """
    variance = typical(prior)
    if variance == 0:
        return 0.0
    if count < 2:
        return math.inf
    # Over what the sample variance of the differences may turn out to be.
    chances = (np.arange(200) + 0.5) / 200
    sample = variance * chdtri(count - 1, chances) / (count - 1)
    moderated, dof = prior.moderated(sample, count - 1)
    limits = stdtrit(dof, 1 - (1 - LEVEL) / 2 / comparisons) * prior.above
    limits = limits * np.sqrt(moderated / variance)
    low, high = 0.0, 1.0
    while ndtr(high - limits).mean() < power:
        high *= 2
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if ndtr(middle - limits).mean() < power else (low, middle)
    return high * math.sqrt(variance / count)


def restricted_times(times: ArrayLike, budget: float) -> Floats:
    """Times to target, with the budget in place of a missed target (an infinite time).

    A run that missed its target is censored: it needs longer than the budget, and how much longer
    is not known. The mean of min(time, budget), the restricted mean time, is what the runs
    determine without an assumption about what would have happened later (Royston and Parmar
    2013). Two methods that always miss tie. Raises ValueError for a time that is missing.
    """
    values = np.asarray(times, float)
    if np.isnan(values).any():
        raise ValueError("a missed target is an infinite time, not NaN")
    return np.asarray(np.minimum(values, budget))


def _mean(values: Floats, prior: Prior) -> tuple[float, float, float]:
    """The mean, its standard error and the degrees of freedom of that."""
    sample = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    variance, dof = prior.moderated(sample, len(values) - 1)
    return float(values.mean()), math.sqrt(float(variance) / len(values)), float(dof)
