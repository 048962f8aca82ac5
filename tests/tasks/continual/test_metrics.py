"""Metrics of continual learning against examples that were worked out by hand."""

from __future__ import annotations

import sys

import pytest

from suite.components import registry

registry.get("task", "split_digits")
METRICS = sys.modules["suite_tasks.continual.metrics"]

#: accuracy on three tasks (columns) after each of three tasks (rows)
MATRIX = [[0.9, 0.2, 0.1], [0.5, 0.8, 0.3], [0.6, 0.4, 0.7]]
INITIAL = [0.1, 0.1, 0.2]


def test_metrics_of_the_accuracy_matrix():
    assert METRICS.average_accuracy(MATRIX) == pytest.approx((0.6 + 0.4 + 0.7) / 3)
    assert METRICS.learning_accuracy(MATRIX) == pytest.approx((0.9 + 0.8 + 0.7) / 3)
    assert METRICS.forgetting(MATRIX) == pytest.approx(((0.9 - 0.6) + (0.8 - 0.4)) / 2)
    assert METRICS.backward_transfer(MATRIX) == pytest.approx(((0.6 - 0.9) + (0.4 - 0.8)) / 2)
    gain = ((0.2 - 0.1) + (0.3 - 0.2)) / 2
    assert METRICS.forward_transfer(MATRIX, INITIAL) == pytest.approx(gain)


def test_forgetting_is_from_the_best_and_backward_transfer_from_the_first():
    """A task that got better later, and then worse, tells the two apart."""
    matrix = [[0.6, 0.0, 0.0], [0.9, 0.8, 0.0], [0.7, 0.8, 0.5]]
    assert METRICS.forgetting(matrix) == pytest.approx((0.2 + 0.0) / 2)
    assert METRICS.backward_transfer(matrix) == pytest.approx((0.1 + 0.0) / 2)


def test_forgetting_is_negative_where_later_tasks_help():
    assert METRICS.forgetting([[0.5, 0.0], [0.7, 0.9]]) == pytest.approx(-0.2)


def test_nothing_is_forgotten_or_transferred_in_the_first_task():
    first = [[0.5, 0.3]]
    assert METRICS.average_accuracy(first) == METRICS.learning_accuracy(first) == 0.5
    assert METRICS.forgetting(first) == METRICS.backward_transfer(first) == 0.0
    assert METRICS.forward_transfer(first, [0.1, 0.1]) == 0.0


#: two tasks and eight evaluations: a gap in the second task that closes again
CURVE = [(0.1, 0.1), (0.6, 0.1), (0.9, 0.1), (0.9, 0.1), (0.3, 0.5), (0.7, 0.8), (0.8, 0.9)]


def test_the_stability_gap_is_seen_after_the_tasks_own_training():
    # Task 1 was over at evaluation 3. The 0.1 and 0.6 before count for nothing.
    assert METRICS.min_acc(CURVE, [3]) == 0.3
    assert METRICS.wc_acc(CURVE, [3]) == pytest.approx(0.9 / 2 + 0.3 / 2)
    assert METRICS.min_acc(CURVE[:4], []) == 0.0
    assert METRICS.wc_acc(CURVE[:4], []) == 0.9


def test_three_tasks_have_their_worst_moments_apart():
    curve = [(0.9, 0.0, 0.0), (0.4, 0.8, 0.0), (0.6, 0.7, 0.2), (0.5, 0.2, 0.9)]
    assert METRICS.min_acc(curve, [0, 1]) == pytest.approx((0.4 + 0.2) / 2)
    assert METRICS.wc_acc(curve, [0, 1]) == pytest.approx(0.9 / 3 + 2 / 3 * 0.3)


def test_average_anytime_accuracy_counts_the_tasks_so_far():
    curve = [(0.1, 0.1), (0.9, 0.1), (0.5, 0.7)]
    expected = (0.9 + (0.5 + 0.7) / 2) / 2
    assert METRICS.average_anytime_accuracy(curve, [1]) == pytest.approx(expected)
    assert METRICS.average_anytime_accuracy(curve[:1], []) == 0.1


def test_a_task_is_over_when_the_next_one_is_evaluated():
    quarters = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [METRICS.task_ends(quarters[:n], 2) for n in range(1, 6)] == [[], [], [], [2], [2]]
    assert METRICS.task_ends(quarters, 4) == [1, 2, 3]


def test_a_step_that_reaches_past_the_end_belongs_to_the_task_it_began_in():
    assert METRICS.task_ends([0.0, 0.26, 0.52], 2) == []
    assert METRICS.task_ends([0.0, 0.26, 0.52, 0.78], 2) == [2]
    # Charges are sums of thirds: 0.5 may come out as slightly less.
    assert METRICS.task_ends([0.0, 0.5 - 1e-12, 0.75], 2) == [1]
