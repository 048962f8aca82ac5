"""Scores: pure functions of a curve."""

from __future__ import annotations

import pytest

from suite import score

AT = [10.0, 20.0, 30.0, 40.0]


def read(rule, values, *, target=0.9, budget=40.0):
    return rule.read(AT[: len(values)], values, target=target, budget=budget)


def test_final_is_the_last_value():
    rule = score.final("accuracy", higher_is_better=True, worst=0.1)
    assert read(rule, [0.2, 0.9, 0.5]) == 0.5
    assert rule.unit == "accuracy"


def test_mean_is_over_the_whole_curve():
    rule = score.mean("accuracy", higher_is_better=True, worst=0.1)
    assert read(rule, [0.2, 0.9, 0.4]) == pytest.approx(0.5)


def test_mean_is_an_integral_over_the_budget():
    """Each value holds for the part of the budget that ends at its point."""
    rule = score.mean("loss", higher_is_better=False, worst=10.0)
    at, values = [0.0, 10.0, 15.0, 40.0], [9.0, 3.0, 2.0, 1.0]
    mean = rule.read(at, values, target=0.0, budget=40.0)
    assert mean == pytest.approx((10 * 3 + 5 * 2 + 25 * 1) / 40)


def test_the_value_before_training_has_no_weight_in_a_mean_but_where_it_is_all_there_is():
    rule = score.mean("loss", higher_is_better=False, worst=10.0)
    assert rule.read([0.0, 40.0], [9.0, 1.0], target=0.0, budget=40.0) == 1.0
    assert rule.read([0.0], [9.0], target=0.0, budget=40.0) == 9.0


@pytest.mark.parametrize(
    ("higher_is_better", "worst", "value", "expected"),
    [(True, 0.1, 0.05, 0.1), (True, 0.1, 0.2, 0.2), (False, 2.3, 9.0, 2.3), (False, 2.3, 1.0, 1.0)],
)
def test_nothing_scores_worse_than_the_worst(higher_is_better, worst, value, expected):
    for make in (score.final, score.mean):
        rule = make("metric", higher_is_better=higher_is_better, worst=worst)
        assert read(rule, [value]) == expected
        assert rule.worst_score(budget=40.0) == worst


def test_an_empty_curve_has_no_score():
    with pytest.raises(ValueError, match="without points"):
        read(score.final("loss", higher_is_better=False, worst=1.0), [])


def test_time_to_target_is_where_the_metric_first_holds_it():
    rule = score.time_to_target("accuracy", hold=2)
    # 0.95 at 10 does not hold; at 30 and 40 it does, and counts from 30.
    assert read(rule, [0.95, 0.5, 0.9, 0.92]) == 30.0
    assert read(score.time_to_target("accuracy", hold=1), [0.95, 0.5, 0.9, 0.92]) == 10.0
    assert rule.unit == "gradient evaluations"
    assert rule.higher_is_better is False


def test_a_target_met_only_at_the_end_does_not_hold():
    rule = score.time_to_target("accuracy", hold=2)
    assert rule.reached(AT, [0.1, 0.2, 0.3, 0.99], target=0.9) is None


def test_a_miss_scores_between_one_and_two_budgets_by_its_best():
    rule = score.time_to_target("accuracy", hold=3)
    assert read(rule, [0.0, 0.25, 0.1, 0.2]) == pytest.approx(40.0 * 1.75)
    assert read(rule, [0.0, 1.0, 0.0, 1.0]) == pytest.approx(40.0)
    assert read(rule, [0.0, 0.0]) == rule.worst_score(40.0) == 80.0
    reached = read(rule, [0.9, 0.9, 0.9])
    near_miss = read(rule, [0.89, 0.89, 0.89])
    failure = read(rule, [0.1, 0.1, 0.1])
    assert reached < 40.0 < near_miss < failure < 80.0


def test_a_score_is_settled_once_the_target_holds():
    rule = score.time_to_target("accuracy", hold=2)
    assert not rule.settled(AT[:1], [0.95], target=0.9)
    assert not rule.settled(AT[:3], [0.95, 0.1, 0.95], target=0.9)
    assert rule.settled(AT[:2], [0.95, 0.95], target=0.9)
    # Later points do not change it.
    assert read(rule, [0.95, 0.95]) == read(rule, [0.95, 0.95, 0.0, 0.0]) == 10.0


@pytest.mark.parametrize("make", [score.final, score.mean])
def test_other_scores_never_settle(make):
    rule = make("loss", higher_is_better=False, worst=1.0)
    assert not rule.settled(AT, [0.0] * 4, target=0.9)


def test_lower_metrics_reach_their_target_from_above():
    rule = score.final("loss", higher_is_better=False, worst=2.3)
    assert rule.reached(AT, [2.0, 0.9, 0.8], target=0.9) == 20.0
