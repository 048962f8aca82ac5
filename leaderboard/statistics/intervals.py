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
from scipy.special import nctdtr, stdtr, stdtrit

from leaderboard.statistics.variances import Floats, Prior

#: share of intervals that are meant to hold the long-run mean
LEVEL = 0.95


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
    scores: ArrayLike,
    prior: Prior,
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    level: float = LEVEL,
) -> Interval:
    """The mean over replicates with the interval of the long-run mean: (replicates,).

    The variance is moderated by the task's prior; no end lies outside `bounds`, the range that
    the score can have. Raises ValueError without a score or with one that is not finite.
    """
    values = replicates(scores)
    value, error, dof = _mean(values, prior)
    half = half_width(error, dof, level)
    low, high = max(value - half, bounds[0]), min(value + half, bounds[1])
    return Interval(value, min(low, value), max(high, value))


def difference(a: ArrayLike, b: ArrayLike, prior: Prior, *, level: float = LEVEL) -> Difference:
    """Mean of `a` minus that of `b`, paired by position: (replicates,) each.

    `prior` is that of the variances of differences between pairs of methods. Two methods with
    the same scores have p = 1. This is one comparison: see `task_comparisons` for many. Raises
    ValueError for different numbers of replicates.
    """
    mine, theirs = replicates(a), replicates(b)
    if len(mine) != len(theirs):
        raise ValueError(f"{len(mine)} replicates cannot be paired with {len(theirs)}")
    value, error, dof = _mean(mine - theirs, prior)
    half = half_width(error, dof, level)
    p = float(p_values(np.array(value), np.array(error), np.array(dof)))
    return Difference(value, value - half, value + half, p)


def replicates(scores: ArrayLike) -> Floats:
    """Scores as an array of replicates; raises ValueError if there are none or not finite ones."""
    values = np.asarray(scores, float)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"scores are one finite number per replicate, not {scores!r}")
    return values


def quantile(level: float, dof: float) -> float:
    """How many standard errors an interval of this level reaches to each side."""
    return float(stdtrit(dof, (1 + level) / 2))


def half_width(error: float, dof: float, level: float = LEVEL) -> float:
    """How far an interval reaches to each side; infinite where no replicates were repeated."""
    if dof == 0:
        return math.inf
    return quantile(level, dof) * error


def p_values(value: Floats, error: Floats, dof: Floats) -> Floats:
    """Two-sided p values of differences from zero, any shape; 1 where the difference is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(value == 0, 0.0, np.abs(value) / error)
    return np.asarray(np.where(dof > 0, 2 * stdtr(dof, -statistic), 1.0))


def _mean(values: Floats, prior: Prior) -> tuple[float, float, float]:
    """The mean, its standard error and the degrees of freedom of that."""
    sample = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    variance, dof = prior.moderated(sample, len(values) - 1)
    return float(values.mean()), math.sqrt(float(variance) / len(values)), float(dof)


def detectable_difference(
    prior: Prior, count: int, *, power: float = 0.8, level: float = LEVEL
) -> float:
    """The true difference between two methods that `count` replicates find with this power.

    `prior` is that of the variances of differences between pairs. In the units of the score, for
    one comparison of a typical pair, whose variance is the prior's.
    """
    if prior.variance == 0:
        return 0.0
    dof = prior.dof + count - 1
    error = math.sqrt(prior.variance / count)
    limit = quantile(level, dof)
    low, high = 0.0, 1.0
    while 1 - nctdtr(dof, high, limit) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - nctdtr(dof, middle, limit) < power else (low, middle)
    return high * error


def restricted_times(times: ArrayLike, budget: float) -> Floats:
    """Times to target, with the budget in place of a missed target (an infinite time).

    A run that missed its target is censored: it needs longer than the budget, and how much longer
    is not known. The mean of min(time, budget), the restricted mean time, is the mean that the
    runs determine without an assumption about what would have happened later (Royston and Parmar
    2013). Two methods that always miss tie. Raises ValueError for a time that is missing.
    """
    values = np.asarray(times, float)
    if np.isnan(values).any():
        raise ValueError("a missed target is an infinite time, not NaN")
    return np.asarray(np.minimum(values, budget))
