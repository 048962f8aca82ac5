"""Curves from stored runs: performance profiles and the expected best of k trials.

Sources: Dolan and Moré 2002, "Benchmarking optimization software with performance profiles"; Tang
et al. 2020, "Showing Your Work Doesn't Always Work" (expected best of k without replacement).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.statistics.variances import Floats


def performance_profile(times: Sequence[Sequence[ArrayLike]], ratios: ArrayLike) -> Floats:
    """Share of runs that reach the target within a ratio of the fastest method's time.

    `times[t][i]` holds method i's times over seeds on task t, infinite where the target was
    missed; the fastest method on a task is the one with the smallest median. Every task has the
    same weight. Shape (methods, ratios).
    """
    allowed = np.asarray(ratios, float)
    share = np.zeros((len(times[0]), len(allowed)))
    for methods in times:
        fastest = min(float(np.median(np.asarray(scores, float))) for scores in methods)
        if not np.isfinite(fastest):
            continue  # no method reached it: the task counts as missed for all
        for i, scores in enumerate(methods):
            ratio = np.asarray(scores, float)[:, None] / fastest
            share[i] += (ratio <= allowed[None, :]).mean(axis=0)
    return share / len(times)


def expected_best(scores: ArrayLike, *, higher_is_better: bool) -> Floats:
    """Expected best of k of the n trials, for k = 1 to n: (n,) to (n,).

    Unbiased: the mean over all subsets of size k. With scores sorted from best to worst, the j-th
    (from 0) is the best of C(n-1-j, k-1) of the C(n, k) subsets.
    """
    ordered = np.sort(np.asarray(scores, float))
    if higher_is_better:
        ordered = ordered[::-1]
    n = len(ordered)
    weights = np.zeros((n, n))
    for k in range(1, n + 1):
        # C(n-1-j, k-1) / C(n, k) by its ratio from j to j + 1: no large factorials.
        weight = k / n
        for j in range(n - k + 1):
            weights[k - 1, j] = weight
            weight *= (n - k - j) / max(n - 1 - j, 1)
    return np.asarray(weights @ ordered)
