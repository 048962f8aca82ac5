"""Variances shared among the methods of a task, so that three replicates are not trusted alone.

Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments" (Statistical Applications in Genetics and Molecular Biology 3): a method's
true variance is taken as drawn from a scaled inverse chi-squared distribution, which is estimated
from the sample variances of all methods; each sample variance is then shrunk towards it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, polygamma

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """The distribution of the true variances of a task: `variance * dof / chi2(dof)`.

    `dof` is how many degrees of freedom the other methods' variances are worth: 0 if they say
    nothing, infinite if all methods vary alike.
    """

    variance: float
    dof: float

    def moderated(self, variances: ArrayLike, dof: float) -> tuple[Floats, Floats]:
        """Sample variances with `dof` degrees of freedom, shrunk, with those that they have then.

        Any shape. Where the prior says nothing, a sample variance is kept as it is; with one
        replicate (`dof` 0) and no prior there are no degrees of freedom: nothing is known.
        """
        sample = np.asarray(variances, float)
        if math.isinf(self.dof):
            return np.full_like(sample, self.variance), np.full_like(sample, math.inf)
        total = self.dof + dof
        if total == 0:
            return np.zeros_like(sample), np.zeros_like(sample)
        shrunk = (self.dof * self.variance + dof * sample) / total
        return shrunk, np.full_like(sample, total)


def pool(variances: ArrayLike, dof: float) -> Prior:
    """The prior of a task from the sample variances of its methods, each with `dof` degrees.

    By the moments of the log variances (Smyth 2004, section 6.2). Variances of exactly zero, of
    methods without any randomness or of those that always fail, say nothing about the others and
    are left out. Raises ValueError for variances that are negative or not finite.
    """
    sample = np.asarray(variances, float).ravel()
    if not np.isfinite(sample).all() or (sample < 0).any():
        raise ValueError("sample variances are finite and not negative")
    positive = sample[sample > 0]
    if dof <= 0 or len(positive) == 0:
        return Prior(0.0, 0.0)
    logs = np.log(positive) - digamma(dof / 2) + math.log(dof / 2)
    if len(positive) == 1:
        return Prior(float(positive[0]), 0.0)
    excess = float(logs.var(ddof=1) - polygamma(1, dof / 2))
    if excess <= 0:
        return Prior(float(np.exp(logs.mean())), math.inf)
    prior_dof = 2 * _inverse_trigamma(excess)
    log_variance = logs.mean() + digamma(prior_dof / 2) - math.log(prior_dof / 2)
    return Prior(float(np.exp(log_variance)), prior_dof)


def _inverse_trigamma(value: float) -> float:
    """The x with trigamma(x) = value > 0, by Newton's method (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-10:
            break
    return x
