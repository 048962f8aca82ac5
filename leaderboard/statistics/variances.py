"""Variances shared among methods, so that three replicates are not trusted alone.

A method's true variance is taken as drawn from a scaled inverse chi-squared distribution, the
prior, which is estimated from the sample variances of all methods; a sample variance is then
shrunk towards it (Smyth 2004, "Linear models and empirical Bayes methods for assessing
differential expression in microarray experiments"). It is estimated from winsorized log variances,
and a variance far above it is not shrunk (Phipson et al. 2016, "Robust hyperparameter estimation
protects against hypervariable genes"): methods that diverge, or that do not vary at all, hardly
change what is said about others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri, fdtrc, fdtri

Floats = NDArray[np.float64]

#: the shares of the smallest and of the largest log variances that are winsorized
WINSORIZED = (0.1, 0.25)
#: below this number of variances, whole variances are counted, not shares
MANY = 20
#: The prior's degrees of freedom are estimated as if this many more methods had been seen, whose
#: variances are as unlike as those of our tasks, where pooling gives about one degree. Without
#: them, the variances of few methods that look alike by luck would be trusted.
ASSUMED_METHODS, ASSUMED_DOF = 2, 1.0

_DOFS = np.geomspace(0.1, 500, 80)
_QUANTILES = (np.arange(500) + 0.5) / 500


@dataclass(frozen=True)
class Prior:
    """What the other methods say about the variance of one replicate's score.

    True variances are distributed as `variance * dof / chi2(dof)`.
    """

    variance: float
    #: how many degrees of freedom this is worth: 0 if the other methods say nothing
    dof: float
    #: greater sample variances are outliers: the prior is no guide to them
    largest: float = math.inf
    #: how much longer intervals must be below and above the estimate than Student's, so that they
    #: hold as many held-out replicates as they should; at least 1
    below: float = 1.0
    above: float = 1.0

    def moderated(self, variances: ArrayLike, dof: ArrayLike) -> tuple[Floats, Floats]:
        """Sample variances with `dof` degrees of freedom, shrunk, and their degrees then.

        Any shape. Outliers are kept as they are. With one replicate (`dof` 0) and no prior, there
        are no degrees of freedom.
        """
        sample, own = np.asarray(variances, float), np.asarray(dof, float)
        trusted = np.where(sample <= self.largest, self.dof, 0.0)
        total = np.asarray(trusted + own)
        shrunk = (trusted * self.variance + own * sample) / np.where(total > 0, total, 1.0)
        return np.asarray(shrunk), total


def pool(variances: ArrayLike, dof: float, *, methods: int | None = None) -> Prior:
    """The prior from sample variances with about `dof` degrees of freedom each.

    `methods` is how many methods they come from, by default one each; pairs of methods are more.
    Variances of exactly zero say nothing about others and are left out. Raises ValueError for
    variances that are negative or not finite.
    """
    sample = np.asarray(variances, float).ravel()
    if not np.isfinite(sample).all() or (sample < 0).any():
        raise ValueError("sample variances are finite and not negative")
    logs = np.sort(np.log(sample[sample > 0]))
    count = len(logs) if methods is None else min(methods, len(logs))
    if dof <= 0 or count < 2:
        return Prior(0.0, 0.0)
    low, high = (int(share * len(logs)) for share in WINSORIZED)
    logs = np.clip(logs, logs[low], logs[len(logs) - 1 - high])
    shares = WINSORIZED if len(logs) >= MANY else (low / len(logs), high / len(logs))
    means, spreads = _winsorized_moments(_rounded(dof), *shares)
    assumed = float(np.interp(math.log(ASSUMED_DOF), np.log(_DOFS), spreads))
    spread = (count - 1) * float(logs.var(ddof=1)) + ASSUMED_METHODS * assumed
    spread /= count - 1 + ASSUMED_METHODS
    log_dof = float(np.interp(-spread, -spreads, np.log(_DOFS)))
    # All variances together have no more degrees of freedom than this.
    log_dof = min(log_dof, math.log((count - 1) * dof))
    log_variance = logs.mean() - float(np.interp(log_dof, np.log(_DOFS), means))
    prior = Prior(math.exp(log_variance), math.exp(log_dof))
    return replace(prior, largest=_largest(np.sort(sample), dof, prior))


def _largest(ordered: Floats, dof: float, prior: Prior) -> float:
    """The greatest sample variance that is no outlier; `ordered` from the smallest.

    Outliers are the k largest if their tail under the prior holds less than half of the share
    that it holds of the variances, for the greatest such k in the winsorized part.
    """
    count = len(ordered)
    upper = ordered[::-1][: max(int(WINSORIZED[1] * count), 1)]
    shares = (np.arange(len(upper)) + 0.5) / count
    outliers = np.flatnonzero(fdtrc(dof, prior.dof, upper / prior.variance) < shares / 2)
    if len(outliers) and outliers[-1] + 1 < count:
        return float(ordered[::-1][outliers[-1] + 1])
    return float(prior.variance * fdtri(dof, prior.dof, 1 - shares[0] / 2))


def typical(prior: Prior) -> float:
    """The median of the true variances."""
    if prior.dof == 0:
        return prior.variance
    return float(prior.variance * prior.dof / chdtri(prior.dof, 0.5))


def _rounded(dof: float) -> float:
    """Degrees of freedom for which the moments are tabled."""
    return max(round(2 * dof) / 2, 0.5) if dof < 10 else float(round(dof))


@cache
def _winsorized_moments(dof: float, low: float, high: float) -> tuple[Floats, Floats]:
    """Means and variances of winsorized log F variates with (dof, d), for each d of `_DOFS`.

    A sample variance over the prior's has this F distribution. The variances fall with d.
    """
    kept = np.clip(_QUANTILES, low, 1 - high)
    logs = np.log(fdtri(dof, _DOFS[:, None], kept[None, :]))
    return logs.mean(axis=1), logs.var(axis=1)
