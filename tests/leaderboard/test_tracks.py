"""Standings over a track."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.references import Reference
from leaderboard.standings import task_standings
from leaderboard.statistics.retired import interquartile_mean
from leaderboard.tracks import track_standings
from suite.results.frames import Stored
from tests.samples import make_reference, make_result

TASKS = ("digits", "cifar10_mini", "lm_markov")
REFERENCES = {
    "digits": Reference(**make_reference("digits", 0.0, 1.0)),
    "cifar10_mini": Reference(**make_reference("cifar10_mini", 0.0, 1.0)),
    "lm_markov": Reference(**make_reference("lm_markov", 3.0, 2.0)),
}
GOOD = {"digits": [0.9] * 3, "cifar10_mini": [0.8] * 3, "lm_markov": [2.1] * 3}
POOR = {"digits": [0.5] * 3, "cifar10_mini": [0.5] * 3, "lm_markov": [2.6] * 3}


def tracks_of(*results, references=REFERENCES):
    stored = [Stored(Path(f"{i}.json"), result) for i, result in enumerate(results)]
    return track_standings(task_standings(stored, references))


def runs(method, scores, tasks=TASKS, protocol="quick"):
    return [make_result(task, method, protocol, scores=scores[task]) for task in tasks]


def test_rank_score_and_wins():
    (track,) = tracks_of(*runs("lion", POOR), *runs("adamw", GOOD))
    best, second = track.complete
    assert (best.method, best.rank, second.method, second.rank) == ("adamw", 1, "lion", 2)
    assert best.iqm.value == pytest.approx(interquartile_mean([0.8] * 3 + [0.9] * 6))
    assert (best.win_probability, second.win_probability) == (1.0, 0.0)
    assert (best.mean_rank, second.mean_rank) == (1.0, 2.0)


def test_partial_entries_have_no_rank():
    (track,) = tracks_of(*runs("adamw", GOOD), *runs("lion", POOR, tasks=TASKS[:2]))
    assert [entry.method for entry in track.complete] == ["adamw"]
    (partial,) = track.partial
    assert (partial.rank, len(partial.entries), len(track.counted)) == (None, 2, 3)
    assert track.complete[0].win_probability is None


def test_tasks_without_a_reference_do_not_count():
    references = {name: REFERENCES[name] for name in TASKS[:2]}
    (track,) = tracks_of(*runs("adamw", GOOD), references=references)
    assert track.counted == ["cifar10_mini", "digits"]
    assert [standing.task.name for standing in track.raw] == ["lm_markov"]
    assert track.complete[0].iqm.value == pytest.approx(0.85)


def test_without_any_reference_nothing_is_ranked():
    (track,) = tracks_of(*runs("adamw", GOOD), references={})
    assert (track.counted, track.complete, track.partial) == ([], [], [])


def test_the_most_complete_protocol_comes_first_and_smoke_not_at_all():
    standard = [make_result("digits", "adamw", "standard")]
    smoke = [make_result("digits", "adamw", "smoke")]
    tracks = tracks_of(*standard, *smoke, *runs("adamw", GOOD))
    assert [track.protocol.name for track in tracks] == ["quick", "standard"]
    assert [entry.method for entry in tracks[1].partial] == ["adamw"]
