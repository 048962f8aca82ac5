"""How often the statistics are wrong on boards of which the truth is known; docs/statistics.md.

Seeds are fixed, and the boards are smaller than those of scripts/simulate_boards.py, which prints
the figures of the docs. A share of 2,000 boards has a standard error of at most 0.5 points near 5%.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from scripts.simulate_boards import (
    SPREADS,
    TRACK_TASKS,
    Counts,
    former_rule,
    load_spreads,
    measure,
    simulate,
)
from scripts.simulated_worlds import NOISES, censored_worlds, true_spreads, worlds

#: below the promised 93%, and why: three replicates of scores with two modes are often all in one
#: mode, like those of a method that hardly varies
TOO_LOW = {("two modes, 30:70", 3): 0.9, ("two modes, 50:50", 3): 0.83}
#: above the promised 97%: few methods show the rare mode or the long tail, and they lengthen all
TOO_HIGH = {
    ("two modes, 15:85", 3): 0.985,
    ("two modes, 15:85", 5): 0.998,
    ("skewed, long tail", 5): 0.985,
}


def counted(noise: str, replicates: int, *, boards: int, methods: int, tasks: int = 1) -> Counts:
    rng = np.random.default_rng(0)
    source = worlds(rng, NOISES[noise], tasks=tasks, methods=methods, spreads=load_spreads())
    return simulate(source, rng, boards=boards, replicates=replicates)


@pytest.mark.parametrize("replicates", [3, 5])
@pytest.mark.parametrize(("tasks", "methods"), [(1, 12), (TRACK_TASKS, 8)])
def test_identical_methods_tie_and_errors_are_rare(tasks, methods, replicates):
    counts = counted("normal", replicates, boards=2000, methods=methods, tasks=tasks)
    assert counts.boards == 2000
    assert counts.share("tied") >= 0.95
    # As a user's only comparison, the pair is called different in 5% of boards.
    assert counts.share("tied_alone") == pytest.approx(0.95, abs=0.02)
    assert counts.share("wrong") <= 0.05
    assert counts.share("wrong_rank") <= counts.share("wrong")
    assert counts.share("best_lost") <= 0.05
    assert 0.93 <= counts.share("covered") <= 0.975


@pytest.mark.parametrize("replicates", [3, 5])
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_on_a_task_hold_the_mean_whatever_the_shape(noise, replicates):
    counts = counted(noise, replicates, boards=120, methods=40)
    case = noise, replicates
    assert TOO_LOW.get(case, 0.93) <= counts.share("covered") <= TOO_HIGH.get(case, 0.975)
    assert counts.share("tied") >= 0.95


@pytest.mark.parametrize("noise", ["skewed", "two modes, 30:70", "two modes, 50:50"])
def test_intervals_of_the_headline_hold_it_whatever_the_shape(noise):
    counts = counted(noise, 3, boards=60, methods=20, tasks=TRACK_TASKS)
    assert 0.93 <= counts.share("covered") <= 0.98
    assert counts.share("tied") >= 0.95


@pytest.mark.parametrize("replicates", [3, 5])
def test_ranks_and_the_best_of_censored_times_are_rarely_wrong(replicates):
    rng = np.random.default_rng(0)
    source = censored_worlds(rng, methods=20)
    counts = simulate(source, rng, boards=300, replicates=replicates, higher_is_better=False)
    assert counts.share("wrong") <= 0.05
    assert counts.share("wrong_rank") <= 0.05
    assert counts.share("best_lost") <= 0.05
    assert counts.share("covered") >= 0.93
    assert counts.share("found") > 0.05  # and they tell methods apart


def test_different_methods_are_told_apart_on_a_track():
    rng = np.random.default_rng(0)
    source = worlds(
        rng,
        NOISES["normal"],
        tasks=TRACK_TASKS,
        methods=12,
        spreads=load_spreads(),
        between=0.3,
    )
    counts = simulate(source, rng, boards=60, replicates=3)
    assert counts.share("wrong") <= 0.05
    assert counts.share("best_lost") <= 0.05
    assert counts.share("may_be_best") < 0.3
    assert counts.share("found") > 0.7


@pytest.mark.parametrize(("seeds", "wrong"), [(3, 0.25), (5, 0.16)])
def test_the_former_rule_called_identical_methods_different(seeds, wrong):
    found, held = former_rule(np.random.default_rng(0), seeds)
    assert found == pytest.approx(wrong, abs=0.03)
    assert held == pytest.approx(1 - wrong, abs=0.03)


def test_true_spreads_vary_less_than_measured_ones():
    rng = np.random.default_rng(0)
    true = np.exp(rng.normal(size=500))
    measured = true * np.sqrt(rng.chisquare(2, 500) / 2)
    found = np.log(true_spreads(list(measured)))
    assert np.log(measured).std() > 1.1
    assert found.std() == pytest.approx(1, abs=0.1)


def test_spreads_are_measured_from_a_folder_of_results(tmp_path):
    assert measure(tmp_path) == {}
    content = json.loads(SPREADS.read_text(encoding="utf-8"))
    assert content["command"].startswith("python -m scripts.simulate_boards --measure")
    assert len(load_spreads()) >= 4
