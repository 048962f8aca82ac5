"""The statistics against brute force and known values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from leaderboard.statistics import expected_best, performance_profile


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("n", [1, 2, 6, 9])
def test_expected_best_is_the_mean_over_all_subsets(n, higher):
    scores = np.random.default_rng(n).normal(size=n).round(1)  # rounded: with ties
    best = max if higher else min
    brute = [
        np.mean([best(subset) for subset in itertools.combinations(scores, k)])
        for k in range(1, n + 1)
    ]
    np.testing.assert_allclose(expected_best(scores, higher_is_better=higher), brute)


def test_expected_best_weights_are_the_binomials():
    n, k = 20, 7
    ordered = np.eye(n)
    for j in range(n):
        # The j-th best alone scores 1, the better ones 0: what it weighs is C(n-1-j,k-1)/C(n,k).
        expected = sum(math.comb(n - 1 - i, k - 1) for i in range(j + 1)) / math.comb(n, k)
        scores = ordered[: j + 1].sum(0)
        assert expected_best(scores, higher_is_better=True)[k - 1] == pytest.approx(expected)


def test_expected_best_of_many_trials_stays_finite():
    curve = expected_best(np.arange(2000.0), higher_is_better=False)
    assert curve[0] == pytest.approx(999.5)
    assert curve[-1] == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(curve) <= 1e-9).all()


def test_performance_profile_by_hand():
    inf = math.inf
    tasks = [
        [[10, 10], [20, 40]],  # method 1 needs 2 and 4 times the fastest median
        [[30, inf], [10, 10]],  # method 0: 3 times, and a miss
        [[inf, inf], [inf, inf]],  # nobody: missed by both
    ]
    profile = performance_profile(tasks, [1, 2, 3, 5])
    np.testing.assert_allclose(profile[0] * 6, [2, 2, 3, 3])
    np.testing.assert_allclose(profile[1] * 6, [2, 3, 3, 4])
