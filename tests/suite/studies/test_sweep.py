"""Sweeps: studies over a grid."""

from __future__ import annotations

import pytest

from suite import search
from suite.errors import UsageError
from suite.studies.protocol import Grid
from suite.studies.sweep import coarse, grid, grid_record, sweep_rules, transfer_rules

SPACE = {
    "mine.lr": search.log_uniform(1e-3, 1.0, default=0.02),
    "mine.momentum": search.uniform(0.0, 1.0, default=0.9),
    "l2.strength": search.log_uniform(1e-4, 1e-2, default=1e-3),
    "ema.decay": search.choice(0.9, 0.99, 0.5, default=0.9),
    "ema.steps": search.integer(1, 9, default=3),
}
OTHERS = {"mine.momentum": 0.9, "ema.decay": 0.9, "ema.steps": 3}


def test_one_hyperparameter_has_two_values_a_decade():
    defaults, *points = grid(SPACE, coarse(["lr"]))
    assert defaults == {"mine.lr": 0.02, "l2.strength": 1e-3, **OTHERS}
    rates = [point["mine.lr"] for point in points]
    assert rates == [0.001, 0.00316228, 0.01, 0.0316228, 0.1, 0.316228, 1.0]
    assert all({**point, "mine.lr": 0.02} == defaults for point in points)


def test_two_have_one_each_and_every_combination():
    _, *points = grid(SPACE, coarse(["lr", "weight_decay|strength"]))
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
        grid(SPACE, coarse(swept))


def test_a_rule_of_scaling_has_a_fine_grid_in_its_bounds():
    rules = transfer_rules(SPACE, "lr", (0.01, 0.1), {"momentum": 0.5})
    defaults, *points = grid(SPACE, rules.swept)
    assert defaults["mine.momentum"] == 0.9
    assert [point["mine.lr"] for point in points] == [0.01, 0.0177828, 0.0316228, 0.0562341, 0.1]
    assert {point["mine.momentum"] for point in points} == {0.5}
    assert (rules.replicates, rules.trials, rules.seeds, rules.ranked) == (5, 6, 1, False)
    assert not rules.swept.whole_curves
    assert grid_record(rules.swept).arguments == {
        "hyperparameters": "lr", "per_decade": 4, "low": 0.01, "high": 0.1, "fixed momentum": 0.5,
    }  # fmt: skip


def test_choices_of_numbers_are_a_grid_by_themselves():
    rules = transfer_rules(SPACE, "decay", None, {})
    _, *points = grid(SPACE, rules.swept)
    assert [point["ema.decay"] for point in points] == [0.5, 0.9, 0.99]


def test_the_same_grid_is_one_protocol_and_another_grid_another():
    asked = [
        ("lr", (0.01, 0.1), {}),
        ("lr", (0.01, 0.1), {}),
        ("lr", (0.01, 1.0), {}),
        ("lr", (0.01, 0.1), {"momentum": 0.5}),
        ("lr", (0.01, 0.1), {"momentum": 0.6}),
    ]
    first, again, *others = (transfer_rules(SPACE, *each).name for each in asked)
    assert first == again
    assert len({first, *others}) == 4
    assert first.startswith("transfer_lr_")


def test_records_of_coarse_sweeps_are_as_they_were():
    assert grid_record(coarse(["lr"])).arguments == {"hyperparameters": "lr", "per_decade": 2}


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (("lr", (1e-4, 0.1), {}), "mine.lr=0.0001 is outside of its search space, log-uniform"),
        (("lr", (0.01, 0.1), {"momentum": 2.0}), "mine.momentum=2.0 is outside"),
        (("lr", (0.01, 0.1), {"steps": 2.5}), "ema.steps=2.5 is outside"),
        (("lr", (0.01, 0.1), {"decay": 0.95}), "ema.decay=0.95 is outside"),
        (("lr", (0.01, 0.1), {"rho": 0.5}), "a sweep of rho needs a method with one such"),
        (("decay", (0.5, 0.9), {}), "ema.decay has no logarithmic range"),
    ],
)
def test_what_no_rule_can_sweep_is_refused(asked, complaint):
    with pytest.raises(UsageError, match=complaint):
        transfer_rules(SPACE, *asked)


def test_a_grid_over_the_whole_range_needs_no_bounds():
    _, *points = grid(SPACE, Grid(("strength",), 4))
    assert points[0]["l2.strength"] == 1e-4
    assert points[-1]["l2.strength"] == 1e-2
    assert len(points) == 9
