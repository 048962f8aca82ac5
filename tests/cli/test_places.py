"""Folders that cannot be: every command says what and where, without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.cli import _exit_code
from tests.commands import TINY, suite
from tests.samples import make_result, write_results

SMOKE = ("run", "--optimizer", "adamw", "--task", TINY, "--protocol", "smoke", "--jobs", "1")


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A place that nobody can make, root neither: below a file."""
    file = tmp_path / "file"
    file.touch()
    return file / "nowhere"


def test_results_that_cannot_be_written_are_refused_before_the_first_trial(tmp_path, nowhere):
    done = suite(*SMOKE, "--results", str(nowhere), home=tmp_path / "home")
    assert done.returncode == 2, done.stderr
    assert f"suite: no result can be written to {nowhere}/tiny_blobs: Not a dir" in done.stderr
    assert "[1/2]" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_cannot_be_made_is_named(tmp_path, nowhere):
    done = suite(*SMOKE, "--results", str(tmp_path / "r"), home=nowhere)
    assert done.returncode == 2
    assert f"{nowhere}, where nothing can be written: Not a directory" in done.stderr
    assert "SUITE_HOME" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("new", "optimizer", "mine", "--directory", "{nowhere}"),
        ("leaderboard", "build", "--results", "{results}", "--output", "{nowhere}"),
        (
            *("compare", "adamw", "lion", "--task", "digits", "--results", "{results}"),
            *("--figure", "{nowhere}/x.png"),
        ),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_output_that_cannot_be_made_is_named(capsys, tmp_path, nowhere, arguments):
    results = tmp_path / "results"
    write_results(results, [make_result("digits", method) for method in ("adamw", "lion")])
    filled = [argument.format(nowhere=nowhere, results=results) for argument in arguments]
    assert _exit_code(filled) in (1, 2)
    assert capsys.readouterr().err.startswith(f"suite: {nowhere.parent}")
