"""From tables of replicates to estimates with errors that methods share.

A table holds the scores of one task, (methods, replicates). One task and a whole track are treated
alike: an estimate is the weighted sum over tasks of means over replicates. All functions take
`tables`, (tasks, methods, replicates), and `weights`, (tasks,).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from leaderboard.statistics.variances import Floats, Prior, pool

#: shares of held-out replicates that must lie within their prediction intervals
HELD_OUT_LEVELS = (0.95, 0.99, 0.998)


class Estimates(NamedTuple):
    """One estimate per method or pair of methods, (n,) each."""

    values: Floats
    #: standard errors, from moderated variances
    errors: Floats
    #: degrees of freedom of the errors
    dof: Floats


def estimates(tables: Floats, weights: Floats, prior: Prior) -> Estimates:
    """The estimates of all rows with errors moderated by the prior."""
    variances, own = _spread(tables, weights)
    moderated, dof = prior.moderated(variances, own)
    values = np.tensordot(weights, tables.mean(axis=2), 1)
    return Estimates(values, np.sqrt(moderated / tables.shape[2]), dof)


def methods_prior(tables: Floats, weights: Floats) -> Prior:
    """The prior of the methods' variances, with what held-out replicates say of their shape."""
    variances, dof = _spread(tables, weights)
    prior = _pooled(variances, dof)
    deviations, degrees = _held_out(tables, weights, prior, _regular(prior, variances))
    # What lies above the mean of the others shows how far above an estimate its mean may lie.
    ends = [_stretch(side, degrees, HELD_OUT_LEVELS[0], 1) for side in (-deviations, deviations)]
    return replace(prior, below=ends[0], above=ends[1])


def pairs_prior(tables: Floats, weights: Floats) -> Prior:
    """The prior of the variances of differences between methods, paired by replicate.

    Pairs with a method whose own variance is an outlier are left out.
    """
    variances, dof = _spread(tables, weights)
    regular = _regular(_pooled(variances, dof), variances)
    if regular.sum() < 2:
        regular = np.ones_like(regular)
    apart = paired(tables[:, regular])
    variances, dof = _spread(apart, weights)
    prior = _pooled(variances, dof, methods=int(regular.sum()))
    deviations, degrees = _held_out(apart, weights, prior, _regular(prior, variances))
    # Many comparisons need more than the 95% interval: the ends of the distribution, too.
    needed = [_stretch(np.abs(deviations), degrees, level, 2) for level in HELD_OUT_LEVELS]
    return replace(prior, below=max(needed), above=max(needed))


def paired(tables: Floats) -> Floats:
    """Differences of all pairs of methods, in the order of `np.triu_indices`."""
    first, second = np.triu_indices(tables.shape[1], 1)
    return np.asarray(tables[:, first] - tables[:, second])


def _spread(tables: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The variance of a replicate's weighted sum for each row, and its degrees of freedom.

    The degrees of a sum are Satterthwaite's: few if one task varies more than all others.
    """
    each = tables.shape[2] - 1
    if each == 0:
        return np.zeros(tables.shape[1]), np.zeros(tables.shape[1])
    parts = weights[:, None] ** 2 * tables.var(axis=2, ddof=1)
    total, squares = parts.sum(axis=0), (parts**2).sum(axis=0)
    dof = np.divide(each * total**2, squares, out=np.full_like(total, each), where=squares > 0)
    return total, dof


def _pooled(variances: Floats, dof: Floats, methods: int | None = None) -> Prior:
    varying = variances > 0
    if not varying.any():
        return Prior(0.0, 0.0)
    return pool(variances[varying], float(np.median(dof[varying])), methods=methods)


def _regular(prior: Prior, variances: Floats) -> NDArray[np.bool_]:
    """Which rows vary, and not as outliers do."""
    return np.asarray((variances > 0) & (variances <= prior.largest))


def _held_out(
    tables: Floats, weights: Floats, prior: Prior, rows: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Each replicate's deviation from the mean of the others, in errors of that prediction.

    Returns deviations and their degrees of freedom, (rows * replicates,) each; none where no
    replicate can be held out: without a prior, or with fewer than three replicates.
    """
    count = tables.shape[2]
    if prior.dof == 0 or count < 3 or not rows.any():
        return np.empty(0), np.empty(0)
    tables = tables[:, rows]
    deviations, degrees = [], []
    for held in range(count):
        others = np.delete(tables, held, axis=2)
        predicted = estimates(others, weights, prior)
        deviation = np.tensordot(weights, tables[:, :, held], 1) - predicted.values
        # The error of a mean of n - 1 becomes that of a new replicate's deviation from it.
        deviations.append(deviation / (predicted.errors * np.sqrt(count)))
        degrees.append(predicted.dof)
    return np.concatenate(deviations), np.concatenate(degrees)


def _stretch(deviations: Floats, dof: Floats, level: float, sides: int) -> float:
    """How much longer Student's interval must be to hold this share of held-out replicates.

    At least 1. `sides` is 1 if `deviations` are signed: half of what may lie outside is above. The
    quantile is that of conformal prediction, ceil((n + 1) share), or the largest.
    """
    if len(deviations) == 0:
        return 1.0
    inside = (1 + level) / 2
    share = inside if sides == 1 else level
    position = min(math.ceil((len(deviations) + 1) * share), len(deviations)) - 1
    distinct, which = np.unique(dof, return_inverse=True)  # on one task, all but outliers' alike
    ratios = deviations / stdtrit(distinct, inside)[which]
    return max(1.0, float(np.partition(ratios, position)[position]))
