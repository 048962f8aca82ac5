"""Sweeps: studies over a grid."""

from __future__ import annotations

import pytest

from suite import search
from suite.errors import UsageError
from suite.studies.sweep import grid, sweep_rules

SPACE = {
    "mine.lr": search.log_uniform(1e-3, 1.0, default=0.02),
    "mine.momentum": search.uniform(0.0, 1.0, default=0.9),
    "l2.strength": search.log_uniform(1e-4, 1e-2, default=1e-3),
}


def test_one_hyperparameter_has_two_values_a_decade():
    defaults, *points = grid(SPACE, ["lr"])
    assert defaults == {"mine.lr": 0.02, "mine.momentum": 0.9, "l2.strength": 1e-3}
    rates = [point["mine.lr"] for point in points]
    assert rates == [0.001, 0.00316228, 0.01, 0.0316228, 0.1, 0.316228, 1.0]
    assert all({**point, "mine.lr": 0.02} == defaults for point in points)


def test_two_have_one_each_and_every_combination():
    _, *points = grid(SPACE, ["lr", "weight_decay|strength"])
    found = [(point["mine.lr"], point["l2.strength"]) for point in points]
    assert found == [(x, y) for x in (0.001, 0.01, 0.1, 1.0) for y in (1e-4, 1e-3, 1e-2)]
    rules = sweep_rules("sweep_x", SPACE, ["lr", "weight_decay|strength"])
    assert (rules.name, rules.trials, rules.generation, rules.ranked) == ("sweep_x", 13, 13, False)


@pytest.mark.parametrize(
    ("swept", "complaint"),
    [
        (["rho"], "a sweep of rho needs a method with one such hyperparameter; this one has none"),
        (["lr|strength"], "this one has mine.lr, l2.strength"),
        (["momentum"], "mine.momentum has no logarithmic range"),
    ],
)
def test_what_cannot_be_swept_is_refused(swept, complaint):
    with pytest.raises(UsageError, match=complaint):
        grid(SPACE, swept)
