"""The parts of a family's sentence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from leaderboard.families import budget_ratio, family_results, mean_curve
from leaderboard.references import Reference
from leaderboard.standings import task_standings
from leaderboard.tracks import track_standings
from suite.results.frames import Stored
from tests.samples import BUDGET, make_reference, make_result

REFERENCES = {
    "digits": Reference(**make_reference("digits", 0.0, 1.0)),
    "cifar10_mini": Reference(**make_reference("cifar10_mini", 0.0, 1.0)),
    "lm_markov": Reference(**make_reference("lm_markov", 3.0, 2.0)),
}


def standings_of(*results):
    stored = [Stored(Path(f"{i}.json"), result) for i, result in enumerate(results)]
    return task_standings(stored, REFERENCES)


def entries_of(*results):
    (standing,) = standings_of(*results)
    return {entry.method: entry for entry in standing.entries}


def test_best_and_tied():
    scores = {
        "adamw": [0.80, 0.81, 0.82], "lion": [0.81, 0.80, 0.825], "sgd": [0.2, 0.21, 0.22]
    }  # fmt: skip
    results = [
        make_result(task, m, scores=s)
        for m, s in scores.items()
        for task in ("digits", "cifar10_mini")
    ]
    (track,) = track_standings(standings_of(*results))
    (vision,) = family_results(track)
    assert (vision.family, vision.tasks) == ("vision", ["cifar10_mini", "digits"])
    assert (vision.best, vision.tied) == ("lion", ("adamw",))
    assert vision.score.value == pytest.approx(2.435 / 3)


def test_a_method_that_misses_another_family_still_counts_in_this_one():
    whole = [make_result(task, "adamw") for task in REFERENCES]
    (track,) = track_standings(
        standings_of(*whole, make_result("lm_markov", "lion", scores=[2.0] * 3))
    )
    assert [entry.method for entry in track.complete] == ["adamw"]
    language, vision = family_results(track)
    assert "lion" in language.comparisons.methods
    assert vision.comparisons.methods == ("adamw",)


def test_the_budget_ratio_of_a_final_score_is_where_the_mean_curve_gets_there():
    found = entries_of(make_result(scores=[0.5] * 3), make_result(method="lion", scores=[0.8] * 3))
    adamw, lion = found["adamw"], found["lion"]
    at, values = mean_curve(lion.evaluation, "accuracy")
    expected = at[np.argmax(values >= adamw.metric)] / BUDGET
    assert budget_ratio(lion, adamw) == pytest.approx(expected)
    assert 0 < expected < 1
    assert budget_ratio(adamw, lion) == math.inf


def test_the_budget_ratio_of_a_time_to_target_is_that_of_the_mean_times():
    found = entries_of(
        make_result("modular_addition", scores=[200.0, 300.0, 100.0]),
        make_result("modular_addition", "lion", scores=[100.0, 100.0, 100.0]),
        make_result("modular_addition", "sgd", scores=[100.0, 100.0, 700.0]),
    )
    assert budget_ratio(found["lion"], found["adamw"]) == pytest.approx(0.5)
    assert budget_ratio(found["sgd"], found["adamw"]) == math.inf
    assert budget_ratio(found["adamw"], found["sgd"]) is None


def test_streams_have_no_budget_ratio():
    found = entries_of(make_result("permuted_digits"), make_result("permuted_digits", "lion"))
    assert budget_ratio(found["lion"], found["adamw"]) is None
