"""Standings over a track."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.references import Reference
from leaderboard.standings import task_standings
from leaderboard.tracks import track_standings
from suite.results.frames import Stored
from tests.samples import make_reference, make_result

TASKS = ("digits", "cifar10_mini", "lm_markov")
REFERENCES = {
    "digits": Reference(**make_reference("digits", 0.0, 1.0)),
    "cifar10_mini": Reference(**make_reference("cifar10_mini", 0.0, 1.0)),
    "lm_markov": Reference(**make_reference("lm_markov", 3.0, 2.0)),
}
GOOD = {"digits": [0.95] * 3, "cifar10_mini": [0.75] * 3, "lm_markov": [2.05] * 3}
POOR = {"digits": [0.5] * 3, "cifar10_mini": [0.5] * 3, "lm_markov": [2.6] * 3}


def tracks_of(*results, references=REFERENCES):
    stored = [Stored(Path(f"{i}.json"), result) for i, result in enumerate(results)]
    return track_standings(task_standings(stored, references))


def runs(method, scores, tasks=TASKS, protocol="quick"):
    return [make_result(task, method, protocol, scores=scores[task]) for task in tasks]


def test_headline_ranks_and_columns():
    (track,) = tracks_of(*runs("lion", POOR), *runs("adamw", GOOD))
    best, second = track.complete
    assert (best.method, second.method) == ("adamw", "lion")
    assert (best.ranks, second.ranks) == ((1, 1), (2, 2))
    assert (best.may_be_best, second.may_be_best) == (True, False)
    # Two families: vision, with two tasks, and language; every family has the same weight.
    assert track.families == ["language", "vision"]
    assert best.headline.value == pytest.approx((0.85 + 0.95) / 2)
    assert best.families["vision"].value == pytest.approx(0.85)
    assert second.worst_family == ("language", pytest.approx(0.4))
    assert (best.beats_adamw, second.beats_adamw) == (0.5, 0.0)
    assert best.solved == pytest.approx(2 / 3)  # 0.75 is below 0.9
    assert track.comparisons.pair("lion", "adamw").value == pytest.approx(0.45 - 0.9)
    assert track.preliminary


def test_a_failed_task_pays_no_more_than_an_untrained_one():
    failing = runs("lion", {**GOOD, "lm_markov": [10.0] * 3})
    (track,) = tracks_of(*failing, *runs("adamw", GOOD))
    lion = track.complete[1]
    assert lion.families["language"].value == 0.0
    assert lion.headline.value == pytest.approx(0.425)


def test_partial_entries_have_no_rank():
    (track,) = tracks_of(*runs("adamw", GOOD), *runs("lion", POOR, tasks=TASKS[:2]))
    assert [entry.method for entry in track.complete] == ["adamw"]
    (partial,) = track.partial
    assert (partial.rank, partial.missing, len(track.counted)) == (None, ["lm_markov"], 3)
    assert partial.headline.value == pytest.approx(0.5)  # over what it ran
    assert partial.beats_adamw == 0.0


def test_tasks_without_a_reference_do_not_count():
    references = {name: REFERENCES[name] for name in TASKS[:2]}
    (track,) = tracks_of(*runs("adamw", GOOD), references=references)
    assert track.counted == ["cifar10_mini", "digits"]
    assert [standing.task.name for standing in track.raw] == ["lm_markov"]
    assert track.complete[0].headline.value == pytest.approx(0.85)


def test_without_any_reference_nothing_is_ranked():
    (track,) = tracks_of(*runs("adamw", GOOD), references={})
    assert (track.counted, track.complete, track.partial) == ([], [], [])


def test_the_most_complete_protocol_comes_first_and_smoke_not_at_all():
    standard = [make_result("digits", "adamw", "standard")]
    smoke = [make_result("digits", "adamw", "smoke")]
    tracks = tracks_of(*standard, *smoke, *runs("adamw", GOOD))
    assert [track.protocol.name for track in tracks] == ["quick", "standard"]
    assert [entry.method for entry in tracks[1].partial] == ["adamw"]


def test_columns_over_a_track_are_means_over_families():
    (track,) = tracks_of(*runs("lion", POOR), *runs("adamw", GOOD))
    lion = track.complete[1]
    by_task = {name: entry.tuning.failed for name, entry in lion.entries.items()}
    assert set(by_task.values()) == {0.0}
    assert lion.over.failed_trials == 0.0
    boxed = {
        name: min(max(entry.tuning.out_of_the_box, 0.0), 1.2)
        for name, entry in lion.entries.items()
    }
    vision = (boxed["digits"] + boxed["cifar10_mini"]) / 2
    assert lion.over.out_of_the_box == pytest.approx((vision + boxed["lm_markov"]) / 2)
    needed = sorted(entry.trials_needed for entry in lion.entries.values())
    assert lion.over.trials_needed == needed[1]
