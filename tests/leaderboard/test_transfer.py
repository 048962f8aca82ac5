"""Rules of scaling are decided from sweeps by the written rule: known answers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaderboard.statistics import Interval
from leaderboard.transfer import decide, judge, optimum, student
from suite.components.rules import Rule, Size, Transfer
from suite.results.frames import Stored
from tests.samples import make_result

#: a decade and a half on each side of 0.01, four values for each factor of ten
GRID = np.geomspace(10**-3.5, 10**-0.5, 13)
TWO = math.log(2)


def rule(factor=2.0, *, sizes=2, quantity="value", fitted=False):
    predicts = (lambda size, base, known, measured: measured**2) if fitted else (
        lambda size, base: factor ** math.log2(size.batch_size / base.batch_size)
    )  # fmt: skip
    return Rule(
        name="mine", summary="s", paper="p", url="u", place="a", method="adamw",
        hyperparameter="lr", sizes=(("digits", {}),) * sizes, predicts=predicts, bounds=None,
        quantity=quantity, fitted=fitted, version=1, path=Path("mine.py"), source_hash="0",
    )  # fmt: skip


def transfer(of: Rule):
    names = ["digits", "cifar10_mini", "lm_markov"][: len(of.sizes)]
    sizes = tuple(Size(name, 32 * 2**i, 3200 * 2**i) for i, name in enumerate(names))
    return Transfer(of, sizes, ("quick",) * len(names))


def sweep(task, best, *, grid=GRID, shift=(), higher=True, worse=lambda x: x**2):
    """A study of one trial with defaults and one for each value, in each of its replicates.

    The loss of a value rises with its distance from the best one, `best * exp(shift)` in each
    replicate, on a logarithmic scale.
    """
    result = make_result(task, "adamw", task_fields={"higher_is_better": higher})
    replicates = []
    for number, replicate in enumerate(result.replicates):
        at = math.log(best) + (shift[number] if len(shift) else 0.0)
        sign = -1 if higher else 1
        losses = [worse(math.log(value) - at) for value in grid]
        tuning = [replicate.tuning[0]] + [
            replicate.tuning[1].model_copy(
                update={
                    "number": i + 1,
                    "hyperparameters": {"adamw": {"lr": float(value)}},
                    "validation_score": sign * loss,
                }
            )
            for i, (value, loss) in enumerate(zip(grid, losses, strict=True))
        ]
        replicates.append(replicate.model_copy(update={"tuning": tuning}))
    return result.model_copy(update={"replicates": replicates})


def verdict(of, *results):
    stored = [Stored(Path(f"{i}.json"), result) for i, result in enumerate(results)]
    return decide([transfer(of)], stored, {})[0]


NOISE = (0.03, -0.05, 0.02)
OTHER_NOISE = (-0.02, 0.04, 0.03)


def test_an_optimum_that_moves_as_predicted_is_reproduced():
    found = verdict(
        rule(), sweep("digits", 0.01, shift=NOISE), sweep("cifar10_mini", 0.02, shift=OTHER_NOISE)
    )
    assert (found.outcome, found.why) == (
        "reproduced",
        "the interval holds the predicted factor, and not 1",
    )
    assert found.predicted == pytest.approx(2.0)
    # Parabolas are found exactly, between the points of the grid.
    ratios = [TWO + b - a for a, b in zip(NOISE, OTHER_NOISE, strict=True)]
    assert found.factor == pytest.approx([math.exp(end) for end in student(ratios)])
    assert found.base_value == pytest.approx(0.01)
    assert found.value == pytest.approx(0.02 * math.exp(np.mean(OTHER_NOISE)))
    assert found.predicted_value == pytest.approx(0.02)
    assert found.replicates == 3
    assert [item.path.name for item in found.evidence] == ["0.json", "1.json"]
    # The predicted value loses next to nothing, the base's value log(2)^2.
    assert found.lost < 0.1
    assert found.lost_unchanged == pytest.approx(TWO**2, abs=0.1)


def test_an_optimum_that_stays_is_not_reproduced():
    found = verdict(
        rule(), sweep("digits", 0.01, shift=NOISE), sweep("cifar10_mini", 0.01, shift=OTHER_NOISE)
    )
    assert found.outcome == "not reproduced"
    assert found.why == "the interval holds 1, and not the predicted factor"
    assert found.lost > found.lost_unchanged


def test_the_direction_of_the_score_and_failed_values_do_not_matter():
    def cliff(x):
        return x**2 if x < 1.0 else 8.0

    found = verdict(
        rule(),
        sweep("digits", 0.01, higher=False, shift=NOISE, worse=cliff),
        sweep("cifar10_mini", 0.02, shift=OTHER_NOISE, worse=cliff),
    )
    assert found.outcome == "reproduced"


def test_a_best_value_at_an_end_of_the_grid_decides_nothing():
    found = verdict(rule(), sweep("digits", 0.01), sweep("cifar10_mini", 3.0))
    assert found.outcome == "undecided"
    assert found.why == (
        "the best value of cifar10_mini is at an end of the grid in 3 of 3 replicates"
    )
    assert found.factor is not None


def test_a_prediction_beyond_the_grid_has_no_known_loss():
    found = verdict(rule(1000.0), sweep("digits", 0.01), sweep("cifar10_mini", 0.011))
    assert found.lost is None
    assert found.lost_unchanged is not None


def test_what_was_not_run_says_what_is_missing():
    found = verdict(rule(), sweep("digits", 0.01))
    assert (found.outcome, found.why) == ("not run", "no sweep of adamw on cifar10_mini")
    assert found.predicted == 2.0
    assert found.shown == ""


def test_no_change_is_reproduced_within_a_factor_of_two():
    base = sweep("digits", 0.01, shift=NOISE)
    for best, outcome in ((0.011, "reproduced"), (0.017, "not reproduced")):
        found = verdict(rule(1.0), base, sweep("cifar10_mini", best, shift=OTHER_NOISE))
        assert found.outcome == outcome
    wild = sweep("cifar10_mini", 0.01, shift=(-1.0, 1.0, 0.2))
    assert verdict(rule(1.0), base, wild).outcome == "undecided"


def test_a_decay_is_compared_by_what_it_forgets():
    decays = (0.5, 0.8, 0.9, 0.95, 0.975, 0.99)
    forgetting = rule(quantity="forgetting")
    assert forgetting.value(forgetting.position(0.9)) == pytest.approx(0.9)

    def at(task, best):
        grid = np.array(decays)
        position = forgetting.position(best)
        study = sweep(task, 1.0, grid=grid)
        replicates = []
        for replicate in study.replicates:
            tuning = [replicate.tuning[0]] + [
                run.model_copy(
                    update={"validation_score": -((forgetting.position(value) - position) ** 2)}
                )
                for run, value in zip(replicate.tuning[1:], decays, strict=True)
            ]
            replicates.append(replicate.model_copy(update={"tuning": tuning}))
        return study.model_copy(update={"replicates": replicates})

    found = verdict(forgetting, at("digits", 0.95), at("cifar10_mini", 0.95**2))
    assert found.outcome == "reproduced"
    assert found.value == pytest.approx(0.95**2)


def test_a_fitted_rule_predicts_from_what_was_measured():
    fitted = rule(sizes=3, fitted=True)
    studies = (
        sweep("digits", 0.01, shift=NOISE),
        sweep("cifar10_mini", 0.02, shift=NOISE),
        sweep("lm_markov", 0.04, shift=NOISE),
    )
    found = verdict(fitted, *studies)
    assert found.size == "lm_markov"
    assert found.predicted == pytest.approx(4.0)
    assert found.outcome == "reproduced"
    stays = verdict(fitted, *studies[:2], sweep("lm_markov", 0.01, shift=OTHER_NOISE))
    assert stays.outcome == "not reproduced"
    assert verdict(fitted, *studies[:2]).outcome == "not run"


def test_a_rule_that_fails_on_what_was_measured_decides_nothing():
    def fails(size, base, known, measured):
        return 1 / (measured - measured)

    failing = replace(rule(sizes=3, fitted=True), predicts=fails)
    names = ("digits", "cifar10_mini", "lm_markov")
    found = verdict(failing, *(sweep(name, 0.01, shift=NOISE) for name in names))
    assert found.outcome == "undecided"
    assert found.why.startswith("the rule gives no factor for these results: ")


@pytest.mark.parametrize(
    ("low", "high", "expected", "outcome"),
    [
        (0.5, 0.9, TWO, "reproduced"),
        (-0.1, 0.9, TWO, "undecided"),  # no change is possible
        (0.1, 3.0, TWO, "undecided"),  # too wide: four times as well
        (0.8, 1.2, TWO, "not reproduced"),
        (0.1, 0.3, TWO, "not reproduced"),
        (-0.9, -0.5, TWO, "not reproduced"),
        (-0.9, -0.5, -TWO, "reproduced"),
        (-0.2, 0.2, -TWO, "not reproduced"),
        (-0.5, 0.5, 0.0, "reproduced"),
        (-0.8, 0.5, 0.0, "undecided"),
        (0.1, 0.5, 0.0, "reproduced"),
        (0.1, 0.9, 0.0, "not reproduced"),
    ],
)
def test_the_interval_decides(low, high, expected, outcome):
    middle = (low + high) / 2
    distance = Interval(middle - expected, low - expected, high - expected)
    assert judge(Interval(middle, low, high), distance, expected)[0] == outcome


def test_the_vertex_lies_between_the_points():
    grid = [0.0, 1.0, 3.0, 4.0]
    found = optimum(grid, [(x - 1.6) ** 2 for x in grid])
    assert found.position == pytest.approx(1.6)
    assert not found.at_edge
    assert found.lost(1.0) == 0.0
    assert found.lost(2.0) == pytest.approx((1.4**2 - 0.6**2) / 2)
    assert found.lost(9.0) is None


@pytest.mark.parametrize(
    ("losses", "position", "at_edge"),
    [
        ([3.0, 1.0, 1.0, 3.0, 5.0], 1.5, False),
        ([3.0, 1.0, 1.0, 1.0, 5.0], 2.0, False),
        ([1.0, 1.0, 1.0, 2.0, 3.0], 1.0, True),
        ([3.0, 2.0, 1.0, 1.0, 1.0], 3.0, True),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 0.0, True),
    ],
)
def test_a_plateau_has_its_optimum_in_the_middle(losses, position, at_edge):
    found = optimum([0.0, 1.0, 2.0, 3.0, 4.0], losses)
    assert (found.position, found.at_edge) == (position, at_edge)
