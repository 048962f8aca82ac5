"""`suite leaderboard build`."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import _exit_code
from tests.samples import make_result, write_results


def build(results: Path, output: Path, *more: str) -> int:
    return _exit_code(
        ["leaderboard", "build", "--results", str(results), "--output", str(output), *more]
    )


def test_build_and_open(capsys, tmp_path: Path, monkeypatch) -> None:
    write_results(tmp_path / "results", [make_result(), make_result(method="lion")])
    shown = []
    monkeypatch.setattr(click, "launch", lambda address: shown.append(address))
    assert build(tmp_path / "results", tmp_path / "site", "--open") == 0
    index = tmp_path / "site" / "index.html"
    assert index.is_file()
    assert shown == [index.as_uri()]
    assert str(index) in capsys.readouterr().out


def test_refused_files_are_named_and_the_rest_is_built(capsys, tmp_path: Path) -> None:
    _, bad = write_results(tmp_path / "results", [make_result(), make_result(method="lion")])
    bad.write_text("{}")
    assert build(tmp_path / "results", tmp_path / "site") == 1
    assert (tmp_path / "site" / "index.html").is_file()
    assert capsys.readouterr().err.count("digits/lion.quick.json") == 1


def test_a_folder_that_is_no_site_is_left_alone(capsys, tmp_path: Path) -> None:
    write_results(tmp_path / "results", [make_result()])
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").write_text("precious")
    assert build(tmp_path / "results", tmp_path / "site") == 2
    assert (tmp_path / "site" / "thesis.tex").read_text() == "precious"
    assert str(tmp_path / "site") in capsys.readouterr().err


def test_the_present_folder_is_not_replaced(capsys, tmp_path: Path, monkeypatch) -> None:
    write_results(tmp_path / "results", [make_result()])
    here = tmp_path / "empty"
    here.mkdir()
    monkeypatch.chdir(here)
    for output in (Path(), here, Path("../empty")):
        assert build(tmp_path / "results", output) == 2
        assert "--output is the present folder" in capsys.readouterr().err
    assert list(here.iterdir()) == []
