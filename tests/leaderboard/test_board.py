"""From a folder of results to the board that everything reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.board import find_board, load_board
from leaderboard.index import write_index
from leaderboard.loading import imported_index, read_lines
from leaderboard.references import Reference
from suite.errors import SuiteError, UsageError
from tests.samples import make_reference, make_result, write_results

REFERENCES = {"digits": Reference(**make_reference("digits", 0.2, 0.7))}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("SUITE_HOME", str(folder))
    return folder


@pytest.fixture
def results(tmp_path) -> Path:
    folder = tmp_path / "results"
    write_results(
        folder,
        [
            make_result(task, method)
            for task in ("digits", "lm_markov")
            for method in ("adamw", "lion")
        ],
    )
    return folder


def test_everything_is_on_it(results):
    board = load_board(results, REFERENCES)
    assert list(board.tasks) == ["digits", "lm_markov"]
    assert list(board.methods) == ["adamw", "lion"]
    assert [standing.task.name for standing, _ in board.methods["lion"].found] == list(board.tasks)
    assert [(track.track, track.counted) for track in board.tracks] == [("mini", ["digits"])]
    assert board.track() is board.tracks[0]
    assert board.track("full") is None
    assert board.task("digits", "standard") is None
    assert board.newest == "2026-11-22"
    assert board.barely_compared == 2
    assert board.notices == [
        "lm_markov (quick): there is no frozen reference for this task: raw scores only"
    ]


def test_only_the_tasks_that_are_asked_for_are_read(results):
    (results / "lm_markov" / "lion.quick.json").write_text("{}")
    assert list(load_board(results, REFERENCES, tasks=["digits"]).tasks) == ["digits"]
    assert load_board(results, REFERENCES, tasks=["digits"]).left_out == []
    assert len(load_board(results, REFERENCES).left_out) == 1


def test_a_file_with_which_the_extra_work_fails_is_left_out(results):
    def fragile(standing):
        if standing.task.name == "digits" and "lion" in {e.method for e in standing.ranked}:
            raise OverflowError("too large")

    board = load_board(results, REFERENCES, extra=fragile)
    assert [str(item.path) for item in board.left_out] == ["digits/lion.quick.json"]
    assert "OverflowError: too large" in board.left_out[0].reason
    assert [entry.method for entry in board.task("digits").ranked] == ["adamw"]
    assert "digits/lion.quick.json: left out" in board.notices[0]
    assert len(board.stored) == 3


def test_files_superseded_are_listed_with_the_method(results):
    write_results(results, [make_result(method="adamw@constant")])
    board = load_board(results, REFERENCES)
    assert list(board.methods) == ["adamw", "lion"]
    (old,) = board.methods["adamw"].superseded
    assert str(old.stored.path) == "digits/adamw@constant.quick.json"
    assert "superseded by digits/adamw.quick.json" in board.notices[-1]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no such results folder"):
        load_board(tmp_path / "nowhere")


@pytest.fixture
def published(results):
    """The results are the published ones, and the folder is away."""
    lines, _ = read_lines(results)
    write_index(lines, imported_index())
    results.rename(results.with_name("away"))


def test_a_lone_method_is_ranked_against_the_published_ones(tmp_path, published):
    mine = tmp_path / "mine"
    write_results(mine, [make_result(method="sgd")])
    board = find_board(mine)
    standing = board.task("digits")
    assert {entry.method for entry in standing.ranked} == {"adamw", "lion", "sgd"}
    paths = {entry.method: str(entry.stored.path) for entry in standing.ranked}
    assert paths["lion"] == "published/digits/lion.quick.json"
    assert paths["sgd"] == "digits/sgd.quick.json"
    alone = find_board(mine, published=False).task("digits")
    assert [entry.method for entry in alone.ranked] == ["sgd"]


def test_ones_own_file_stands_before_the_published_one(tmp_path, published):
    mine = tmp_path / "mine"
    early = {"finished": "2026-11-01T00:00:00+00:00"}
    write_results(mine, [make_result(method="lion", environment=early)])
    board = find_board(mine, tasks=["digits"])
    assert len(board.stored) == 2
    assert board.superseded == []
    assert str(board.methods["lion"].found[0][1].stored.path) == "digits/lion.quick.json"


def test_a_folder_that_is_not_there_is_empty_beside_the_published_ones(tmp_path, published):
    assert list(find_board(tmp_path / "nowhere").tasks) == ["digits", "lm_markov"]
    with pytest.raises(UsageError, match="no such results folder"):
        find_board(tmp_path / "nowhere", published=False)


def test_a_checkouts_own_folder_has_no_others(monkeypatch, results):
    lines, _ = read_lines(results)
    write_index(lines, imported_index())
    (results / "digits" / "lion.quick.json").unlink()
    monkeypatch.setattr("leaderboard.board.ROOT", results.parent)
    assert [entry.method for entry in find_board(results).task("digits").ranked] == ["adamw"]
    both = find_board(results, published=True).task("digits").ranked
    assert {entry.method for entry in both} == {"adamw", "lion"}


def test_a_damaged_index_is_said(tmp_path, published):
    imported_index().write_bytes(b"nonsense")
    with pytest.raises(SuiteError, match="no index of results"):
        find_board(tmp_path / "nowhere")
