"""The bars of intervals: where they lie in their cells."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from leaderboard.filters import _scale, middle, on_scale, study_words, task_scale, tint
from leaderboard.standings import task_standings
from leaderboard.statistics import Interval
from suite.results.frames import Stored
from tests.samples import make_result


def test_of_two_methods_both_bars_are_whole():
    worse, better = Interval(1.02, 0.99, 1.08), Interval(1.19, 1.17, 1.20)
    scale = _scale([better, worse])
    assert scale == (0.99, 1.20)
    bar = on_scale(worse, scale)
    assert bar.low == 0.0
    assert 0.0 < bar.at < bar.high < 50.0
    assert (bar.cut, bar.off) == ("", False)


def test_an_outlier_on_the_worse_side_is_cut_off():
    good = [Interval(0.9 + n / 100, 0.88 + n / 100, 0.92 + n / 100) for n in range(4)]
    outlier = Interval(-50.0, -51.0, -49.0)
    scale = _scale([*good, outlier])
    assert scale.low > 0.5
    assert on_scale(outlier, scale) == (0.0, 0.0, 0.0, "left", True)
    long = Interval(0.9, -20.0, 0.92)
    assert on_scale(long, scale)[3:] == ("left", False)


def test_where_lower_is_better_the_worse_side_is_the_upper_one():
    good = [Interval(1 + n / 10, 0.9 + n / 10, 1.1 + n / 10) for n in range(3)]
    outlier = Interval(50.0, 49.0, 51.0)
    scale = _scale([*good, outlier], higher_is_better=False)
    assert scale.low == 0.9
    assert scale.high < 3.0
    assert on_scale(outlier, scale) == (100.0, 100.0, 100.0, "right", True)
    # With the better side above, the same values are no outlier but a leader.
    assert _scale([*good, outlier]).high == 51.0
    assert on_scale(Interval(1.0, 0.0, 99.0), scale).cut == "both"


def test_a_raw_task_whose_lower_scores_are_better_is_drawn_so():
    results = [
        make_result("lm_markov", method, scores=[loss] * 3)
        for method, loss in {"adamw": 1.5, "lion": 1.6, "muon": 1.7, "sgd": 9.0}.items()
    ]
    stored = [Stored(Path(f"{i}.json"), result) for i, result in enumerate(results)]
    (standing,) = task_standings(stored, {})
    assert task_scale(standing).high < 3.0


def test_an_interval_without_an_end_does_not_stretch_the_scale():
    known, open_ended = Interval(0.5, 0.4, 0.6), Interval(0.7, -math.inf, math.inf)
    assert _scale([known, open_ended]) == (0.4, 0.6)
    low, high = _scale([open_ended])
    assert low == 0.7
    assert 0 < high - low < 1e-6
    assert on_scale(open_ended, _scale([known, open_ended])).cut == "both"


def test_what_a_study_consists_of_is_said_in_words():
    quick = make_result().protocol
    words = study_words(quick)
    assert words == "3 tuning replicates of 6 trials and 1 evaluation run each"
    one = quick.model_copy(update={"replicates": 1, "seeds": 2})
    assert study_words(one) == "1 tuning replicate of 6 trials and 2 evaluation runs"


def test_tints_are_steps_of_the_scale_and_stay_within_it():
    assert [tint(score) for score in (-5.0, 0.0, 0.6, 1.19, 1.2, 99.0, math.inf)] == [
        0, 0, 5, 9, 9, 9, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0, 1.0, 2.0], 2.0), ([4, 1], 1), (["a", "b", "b"], "b"), ([True, True, False], "True")],
)
def test_of_several_choices_the_middle_one_is_shown(values, expected):
    assert middle(values) == expected
