"""Comparisons on a task and on a track, by hand and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from leaderboard.statistics import (
    Prior,
    detectable_difference,
    difference,
    holm,
    mean_interval,
    pool,
    pool_methods,
    pool_pairs,
    restricted_times,
    task_comparisons,
    track_comparisons,
)

NOTHING = Prior(0.0, 0.0)


def test_without_a_prior_the_interval_is_students():
    scores = [1.0, 2.0, 4.0]
    found = mean_interval(scores, NOTHING)
    low, high = stats.t.interval(0.95, 2, np.mean(scores), stats.sem(scores))
    assert found == pytest.approx((np.mean(scores), low, high))


def test_a_prior_adds_its_degrees_and_its_variance():
    scores = [1.0, 2.0, 4.0]
    shrunk = (3 * 0.5 + 2 * np.var(scores, ddof=1)) / 5
    half = stats.t.ppf(0.975, 5) * math.sqrt(shrunk / 3)
    found = mean_interval(scores, Prior(0.5, 3.0))
    assert found.high - found.value == pytest.approx(half)
    assert found.value - found.low == pytest.approx(half)


def test_an_interval_stays_where_scores_can_be():
    found = mean_interval([0.9, 1.0, 1.0], NOTHING, bounds=(0.0, 1.0))
    assert found.high == 1.0
    assert found.low < 0.9


def test_one_replicate_says_nothing_about_its_interval():
    assert mean_interval([2.0], NOTHING) == (2.0, -math.inf, math.inf)
    assert difference([2.0], [1.0], NOTHING).p == 1.0


def test_a_difference_is_paired():
    a, b = [1.0, 5.0, 9.0], [0.0, 4.5, 8.0]
    found = difference(a, b, NOTHING)
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert difference(a, a, NOTHING).p == 1.0
    with pytest.raises(ValueError, match="3 replicates cannot be paired with 2"):
        difference(a, b[:2], NOTHING)


@pytest.mark.parametrize(("variance", "dof"), [(0.04, 4.0), (2.0, 1.2)])
def test_pool_finds_the_distribution_that_variances_come_from(variance, dof):
    rng = np.random.default_rng(1)
    true = variance * dof / rng.chisquare(dof, 20_000)
    sample = true * rng.chisquare(2, 20_000) / 2
    found = pool(sample, 2)
    assert found.dof == pytest.approx(dof, rel=0.1)
    assert found.variance == pytest.approx(variance, rel=0.1)


def test_methods_that_vary_alike_share_one_variance():
    rng = np.random.default_rng(1)
    found = pool(3 * rng.chisquare(2, 20) / 2, 2)
    assert found.dof > 10
    assert pool([], 2) == pool([0.0, 0.0], 2) == NOTHING


def test_a_few_methods_that_diverge_hardly_change_the_prior_and_are_not_shrunk():
    rng = np.random.default_rng(1)
    regular = 0.04 * 4 / rng.chisquare(4, 40) * rng.chisquare(2, 40) / 2
    alone, together = pool(regular, 2), pool([*regular, 900.0, 4000.0, 1e5], 2)
    assert together.variance == pytest.approx(alone.variance, rel=0.3)
    assert together.dof > 2  # and not a fraction of one, as the spread of all logarithms says
    assert together.moderated([900.0], 2) == (900.0, 2)
    # Without the rule for outliers it would be shrunk to a fraction of itself.
    shrunk, dof = Prior(together.variance, together.dof).moderated([900.0], 2)
    assert shrunk < 900 * 2 / (2 + together.dof) + 1
    assert dof == 2 + together.dof


def test_methods_without_randomness_say_nothing_about_others():
    rng = np.random.default_rng(1)
    regular = list(rng.chisquare(2, 20) / 2)
    assert pool([*regular, 0.0, 0.0, 0.0], 2) == pool(regular, 2)


def test_held_out_replicates_lengthen_intervals_of_skewed_scores_on_one_side():
    rng = np.random.default_rng(0)
    ordinary = pool_methods(rng.normal(size=(60, 5)))
    skewed = pool_methods(rng.exponential(size=(60, 5)))
    # Most means of skewed scores are too low: the true mean is then above.
    assert skewed.above > 1.2
    assert skewed.below == 1.0
    assert ordinary.above < skewed.above
    mirrored = pool_methods(-np.random.default_rng(0).exponential(size=(60, 5)))
    assert mirrored.below > 1.2
    assert mirrored.above == 1.0
    assert pool_methods(rng.exponential(size=(60, 2))).above == 1.0  # none can be held out


def test_a_method_that_diverges_sometimes_does_not_hide_differences_of_others():
    rng = np.random.default_rng(0)
    scores = {f"m{i}": i / 20 + 0.01 * rng.normal(size=5) for i in range(20)}
    before = task_comparisons(scores)
    for i in range(3):
        scores[f"junk{i}"] = np.where(np.arange(5) == i, -500.0, 0.4) + 0.01 * rng.normal(size=5)
    after = task_comparisons(scores)
    lengths = [
        found.pair("m3", "m7").high - found.pair("m3", "m7").low for found in (before, after)
    ]
    assert lengths[1] < 1.5 * lengths[0]
    assert after.verdict("m7", "m3") == before.verdict("m7", "m3") == "better"


def test_comparing_with_a_baseline_only_finds_more():
    scores = board(np.random.default_rng(0), np.linspace(0, 0.3, 20), 0.1)
    found = task_comparisons(scores)
    against = found.against("m0")
    assert list(against) == [name for name in found.methods if name != "m0"]
    np.testing.assert_allclose(
        [pair.adjusted_p for pair in against.values()],
        holm([found.pair(name, "m0").p for name in against]),
    )
    better = [name for name, pair in against.items() if pair.verdict == "better"]
    assert len(better) > sum(found.verdict(name, "m0") == "better" for name in against)
    with pytest.raises(KeyError, match="nobody is not among"):
        found.against("nobody")


def test_a_pair_is_compared_as_difference_does():
    scores = board(np.random.default_rng(0), np.arange(8) / 100, 0.01)
    found = task_comparisons(scores)
    pair = found.pair("m5", "m1")
    prior = pool_pairs(np.stack(list(scores.values())))
    assert difference(scores["m5"], scores["m1"], prior) == pytest.approx(pair[:4])
    mean = mean_interval(scores["m5"], pool_methods(np.stack(list(scores.values()))))
    assert found.means["m5"] == pytest.approx(mean)
    assert found.pair("m1", "m5").value == -pair.value


def test_other_tasks_need_more_than_one_task_in_a_family():
    scores = {"v": {"a": {"m": [1.0, 0.9], "n": [0.0, 0.1]}}}
    assert track_comparisons(scores, baseline=None).overall["m"].other_tasks[1:] == (0.0, 1.2)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.2]), [0.04, 0.09, 0.09, 0.2])


@pytest.mark.parametrize("comparisons", [1, 50])
def test_detectable_difference_has_the_power_it_names(comparisons):
    prior, count = Prior(0.09, 3.0, above=1.2), 5
    effect = detectable_difference(prior, count, comparisons=comparisons)
    rng = np.random.default_rng(0)
    # The median of 0.09 * 3 / chi2(3), by quantiles of the distribution.
    deviation = math.sqrt(0.09 * 3 / stats.chi2.ppf(0.5, 3))
    draws = effect + deviation * rng.normal(size=(40_000, count))
    shrunk = (3 * 0.09 + 4 * draws.var(axis=1, ddof=1)) / 7
    found = draws.mean(axis=1) / (1.2 * np.sqrt(shrunk / count))
    limit = stats.t.ppf(1 - 0.025 / comparisons, 7)
    assert (found > limit).mean() == pytest.approx(0.8, abs=0.01)


def board(rng, means, deviation, count=5):
    return {f"m{i}": mean + deviation * rng.normal(size=count) for i, mean in enumerate(means)}


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_clear_differences_are_ranked_and_equal_methods_tie(higher_is_better):
    sign = 1 if higher_is_better else -1
    scores = board(np.random.default_rng(0), np.array([9.0, 5, 5, 1]) * sign, 0.01)
    found = task_comparisons(scores, higher_is_better=higher_is_better)
    assert found.methods[0] == "m0"
    assert found.methods[-1] == "m3"
    assert found.ranks["m0"] == (1, 1)
    assert found.ranks["m1"] == found.ranks["m2"] == (2, 3)
    assert found.ranks["m3"] == (4, 4)
    assert found.verdict("m0", "m3") == "better"
    assert found.verdict("m3", "m0") == "worse"
    assert found.tied_with("m1") == ("m2",)
    assert found.may_be_best == ("m0",)


def test_a_smaller_family_keeps_the_shared_variances():
    scores = board(np.random.default_rng(0), np.arange(8) / 100, 0.01)
    whole, two = task_comparisons(scores), task_comparisons(scores, among=["m0", "m5"])
    assert set(two.methods) == {"m0", "m5"}
    assert two.pair("m0", "m5").p == pytest.approx(whole.pair("m0", "m5").p)
    assert two.pair("m0", "m5").adjusted_p <= whole.pair("m0", "m5").adjusted_p


def test_methods_that_always_miss_tie_and_are_worse_than_those_that_hit():
    inf = math.inf
    times = {
        "fast": [20, 22, 21, 19, 20],
        "slow": [60, 66, 58, 61, 62],
        "never": [inf] * 5,
        "never too": [inf] * 5,
    }
    limited = {name: restricted_times(values, 100.0) for name, values in times.items()}
    found = task_comparisons(limited, higher_is_better=False, bounds=(0.0, 100.0))
    assert found.verdict("never", "never too") == "tied"
    assert found.verdict("slow", "never") == "better"
    assert found.verdict("fast", "slow") == "better"
    assert found.means["never"].high == 100.0
    with pytest.raises(ValueError, match="not NaN"):
        restricted_times([1.0, math.nan], 100.0)


def track(rng, means, deviation=0.02, count=3):
    """Two families, with two tasks and one."""
    return {
        "vision": {
            "a": board(rng, means, deviation, count),
            "b": board(rng, means, deviation, count),
        },
        "language": {"c": board(rng, means, deviation, count)},
    }


def test_the_headline_gives_families_the_same_weight_and_clips_each_replicate():
    scores = {
        "vision": {"a": {"m": [5.0, 1.0], "n": [0, 0]}, "b": {"m": [0.0, 0.0], "n": [0, 0]}},
        "language": {"c": {"m": [-50.0, 1.0], "n": [1, 1]}},
    }
    found = track_comparisons(scores, baseline="n")
    mine = found.overall["m"]
    assert mine.families["vision"].value == pytest.approx((1.1 + 0) / 2)
    assert mine.families["language"].value == pytest.approx(0.5)
    assert mine.headline.value == pytest.approx((0.55 + 0.5) / 2)
    assert mine.worst_family == "language"
    assert (mine.solved, mine.tasks) == (1, 3)
    # vision: wins a twice, ties b twice: (1 + 1/2) / 2; language: a loss and a tie.
    assert mine.beats_baseline == pytest.approx((0.75 + 0.25) / 2)
    assert found.overall["n"].beats_baseline == 0.5


def test_a_track_ranks_by_headline_and_knows_other_tasks_less_well():
    found = track_comparisons(track(np.random.default_rng(0), [1.0, 0.5, 0.5]), baseline="m0")
    assert found.ranks["m0"] == (1, 1)
    assert found.ranks["m1"] == (2, 3)
    for overall in found.overall.values():
        assert overall.other_tasks.low <= overall.headline.low
        assert overall.other_tasks.high >= overall.headline.high


def test_what_cannot_be_compared_is_named():
    with pytest.raises(ValueError, match="different numbers of replicates"):
        task_comparisons({"a": [1.0, 2.0], "b": [1.0]})
    with pytest.raises(ValueError, match="one finite number per replicate"):
        task_comparisons({"a": [1.0, math.nan], "b": [1.0, 2.0]})
    with pytest.raises(ValueError, match="same methods: b"):
        track_comparisons({"v": {"x": {"a": [1.0], "b": [1.0]}, "y": {"a": [1.0]}}})
    with pytest.raises(KeyError, match="z is not among"):
        task_comparisons({"a": [1.0, 2.0]}).verdict("a", "z")
