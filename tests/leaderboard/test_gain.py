"""Whether a gain survives size: known answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.board import make_board
from leaderboard.gain import gains, judge
from leaderboard.statistics import Interval
from suite.results.frames import Stored
from tests.samples import make_result

PAIR = [("digits", "cifar10_mini")]


def board(**scores):
    """Results by task and method: `digits_lion=(0.9, 0.91, 0.92)`; higher is better on both."""
    stored = []
    for name, values in scores.items():
        task, _, method = name.rpartition("_")
        result = make_result(task, method, scores=values)
        stored.append(Stored(Path(task) / f"{method}.json", result))
    return make_board(stored, references={})


LOW, HIGH = (0.70, 0.71, 0.72), (0.90, 0.912, 0.92)


def verdict(**scores):
    return gains(board(**scores), "lion", "adamw", PAIR)[0]


def test_a_gain_at_both_sizes_survives():
    found = verdict(
        digits_adamw=LOW, digits_lion=HIGH, cifar10_mini_adamw=LOW, cifar10_mini_lion=HIGH
    )
    assert (found.outcome, found.base, found.task) == ("survives", "digits", "cifar10_mini")
    assert found.on_base.value == pytest.approx(0.2, abs=0.01)
    assert found.protocols == ("quick", "quick")


def test_a_gain_that_the_other_size_does_not_have_is_gone():
    found = verdict(
        digits_adamw=LOW, digits_lion=HIGH, cifar10_mini_adamw=HIGH, cifar10_mini_lion=HIGH
    )
    assert found.outcome == "is gone"


def test_without_results_of_both_methods_nothing_was_run():
    found = verdict(digits_adamw=LOW, digits_lion=HIGH, cifar10_mini_adamw=LOW)
    assert found.outcome == "not run"
    assert found.why == "no results of lion and adamw that can be compared on cifar10_mini"
    assert found.on_base is not None
    assert found.on_task is None


@pytest.mark.parametrize(
    ("on_base", "on_task", "outcome"),
    [
        ((2.0, 1.0, 3.0), (1.0, 0.1, 2.0), "survives"),
        ((2.0, 1.0, 3.0), (0.2, -0.3, 0.7), "is gone"),
        ((2.0, 1.0, 3.0), (-1.0, -2.0, -0.5), "is gone"),
        ((2.0, 1.0, 3.0), (0.5, -0.5, 1.5), "not told"),
        ((2.0, -1.0, 5.0), (1.0, 0.5, 1.5), "not told"),
    ],
)
def test_the_intervals_decide(on_base, on_task, outcome):
    assert judge(Interval(*on_base), Interval(*on_task))[0] == outcome
