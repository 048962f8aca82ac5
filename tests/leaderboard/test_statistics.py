"""The statistics against brute force and known values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from leaderboard.statistics import expected_best, performance_profile
from leaderboard.statistics.retired import (
    COVERAGE,
    bootstrap,
    generator,
    interquartile_mean,
    iqm_interval,
    mean_interval,
    mean_rank,
    win_probability,
)


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


@pytest.mark.parametrize("n", [1, 3, 4, 7, 12, 15])
def test_interquartile_mean_is_the_trimmed_mean(n):
    scores = np.random.default_rng(n).normal(size=(5, n))
    np.testing.assert_allclose(interquartile_mean(scores), stats.trim_mean(scores, 0.25, axis=1))


def test_mean_interval_matches_all_resamples_of_three_seeds():
    scores = [0.1, 0.4, 0.9]
    means = [np.mean(draw) for draw in itertools.product(scores, repeat=3)]
    interval = mean_interval(scores, generator("test"), repetitions=40_000)
    assert interval.value == pytest.approx(np.mean(scores))
    # 1 of 27 resamples repeats the worst seed: more than 2.5%, so the ends are the extremes.
    assert (interval.low, interval.high) == (min(means), max(means))


def test_interval_of_many_seeds_is_near_the_normal_one():
    scores = np.random.default_rng(0).normal(size=400)
    interval = mean_interval(scores, generator("test"), repetitions=20_000)
    half = 1.96 * scores.std() / 20
    assert interval.low == pytest.approx(scores.mean() - half, abs=0.05 * half)
    assert interval.high == pytest.approx(scores.mean() + half, abs=0.05 * half)


@pytest.mark.parametrize("seeds", COVERAGE)
def test_how_often_an_interval_holds_the_true_mean(seeds):
    rng = generator("coverage", seeds)
    found = [mean_interval(rng.normal(size=seeds), rng) for _ in range(3000)]
    share = np.mean([interval.low <= 0 <= interval.high for interval in found])
    # a standard error of the share is at most 0.008
    assert share == pytest.approx(COVERAGE[seeds], abs=0.02)


def test_iqm_interval_resamples_within_tasks_only():
    # No spread within a task: whatever is drawn, the strata stay what they are.
    interval = iqm_interval([[0.0] * 3, [1.0] * 3, [5.0] * 3], generator("test"))
    assert interval == (interval.value,) * 3
    assert interval.value == pytest.approx(np.mean([0.0, 1, 1, 1, 5]))


def test_generators_repeat_and_differ_by_purpose():
    scores = np.arange(10.0)
    again = [bootstrap(scores, generator("a"), 5) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert (bootstrap(scores, generator("b"), 5) != again[0]).any()


def test_win_probability_against_pairs_counted_one_by_one():
    rng = np.random.default_rng(3)
    tasks = [[rng.integers(0, 4, size=size) for size in (3, 5, 2)] for _ in range(2)]
    brute = np.zeros((3, 3))
    for methods in tasks:
        for i, j in itertools.product(range(3), repeat=2):
            pairs = itertools.product(methods[i], methods[j])
            brute[i, j] += np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]) / len(tasks)
    np.testing.assert_allclose(win_probability(tasks), brute)
    np.testing.assert_allclose(brute + brute.T, 1)


def test_mean_rank_matches_scipy_with_ties():
    scores = np.random.default_rng(4).integers(0, 3, size=(6, 5))
    np.testing.assert_allclose(mean_rank(scores), stats.rankdata(-scores, axis=0).mean(axis=1))


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
