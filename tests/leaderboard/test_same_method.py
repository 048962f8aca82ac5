"""The A/A check counts wrong verdicts on AdamW and its copy."""

from __future__ import annotations

from pathlib import Path

from leaderboard.references import Reference
from leaderboard.standings import task_standings
from leaderboard.tracks import track_standings
from scripts.same_method import of_tasks, of_track
from suite.results.frames import Stored
from tests.samples import make_reference, make_result

TASKS = ("digits", "lm_markov")
REFERENCES = {
    "digits": Reference(**make_reference("digits", 0.0, 1.0)),
    "lm_markov": Reference(**make_reference("lm_markov", 3.0, 2.0)),
}
SCORES = {
    "adamw": {"digits": [0.80, 0.81, 0.79], "lm_markov": [2.20, 2.21, 2.19]},
    "lion": {"digits": [0.61, 0.60, 0.59], "lm_markov": [2.39, 2.40, 2.41]},
    "sgd": {"digits": [0.50, 0.52, 0.51], "lm_markov": [2.51, 2.50, 2.48]},
}


def the_track():
    results = [
        make_result(task, method, "quick", scores=by_task[task])
        for method, by_task in SCORES.items()
        for task in TASKS
    ]
    stored = [Stored(Path(f"{i}.json"), result) for i, result in enumerate(results)]
    (track,) = track_standings(task_standings(stored, REFERENCES))
    return track


def copy_with(scores):
    return {task: make_result(task, "adamw", "quick", scores=scores[task]) for task in TASKS}


def test_a_copy_with_scores_of_the_same_size_is_tied():
    copy = copy_with({"digits": [0.805, 0.79, 0.80], "lm_markov": [2.19, 2.20, 2.215]})
    assert of_track(the_track(), copy, REFERENCES) == (1, 0, 0)
    assert list(of_tasks(the_track(), copy)) == [(1, 0, 0), (1, 0, 0)]


def test_a_copy_that_was_far_better_counts_as_wrong():
    copy = copy_with({"digits": [0.95, 0.96, 0.94], "lm_markov": [2.20, 2.21, 2.18]})
    assert of_track(the_track(), copy, REFERENCES) == (1, 1, 1)
    assert list(of_tasks(the_track(), copy)) == [(1, 1, 1), (1, 0, 0)]
