"""How a site takes the place of an older one, and of nothing else."""

from __future__ import annotations

import re

import pytest

from leaderboard.downloads import results_table
from leaderboard.placement import MARKER
from leaderboard.site import build
from suite.errors import UsageError
from tests.leaderboard.test_site import REFERENCES, built, write_samples


@pytest.fixture
def results(tmp_path):
    """A folder of results that a test may change."""
    return write_samples(tmp_path / "results")


def test_a_foreign_folder_is_not_replaced(results, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a leaderboard"):
        build(results, site, REFERENCES)
    assert (site / "precious.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        build(results, site / "precious.txt", REFERENCES)


@pytest.mark.parametrize("name", ["CNAME", ".git/HEAD", "tasks/notes.html", "assets/logo.svg"])
def test_a_site_that_holds_foreign_files_is_not_replaced(results, tmp_path, name):
    _, site = built(results, tmp_path)
    (site / name).parent.mkdir(exist_ok=True)
    (site / name).write_text("mine")
    with pytest.raises(UsageError, match=f"{re.escape(name)}. Move them elsewhere"):
        built(results, tmp_path)
    assert (site / name).read_text() == "mine"


def test_a_long_list_of_foreign_files_is_cut(results, tmp_path):
    _, site = built(results, tmp_path)
    for number in range(9):
        (site / f"mine{number}").touch()
    with pytest.raises(UsageError, match=r"mine0, .*mine4 and 4 more\. Move"):
        built(results, tmp_path)


def test_a_link_in_a_site_is_foreign_and_one_to_a_site_is_followed(results, tmp_path):
    _, site = built(results, tmp_path)
    page = site / "index.html"
    page.rename(tmp_path / "mine.html")
    page.symlink_to(tmp_path / "mine.html")
    with pytest.raises(UsageError, match=r"index\.html\. Move"):
        built(results, tmp_path)
    page.unlink()
    link = tmp_path / "link"
    link.symlink_to(site)
    build(results, link, REFERENCES)
    assert link.is_symlink()
    assert page.is_file()


def test_what_is_put_into_a_site_during_a_build_is_kept(results, tmp_path, monkeypatch):
    _, site = built(results, tmp_path)

    def slow(board):
        (site / "CNAME").write_text("mine")
        return results_table(board)

    monkeypatch.setattr("leaderboard.site.results_table", slow)
    with pytest.raises(UsageError, match="CNAME"):
        built(results, tmp_path)
    assert (site / "CNAME").read_text() == "mine"


def test_a_site_whose_marker_has_no_list_is_known_by_its_kinds_of_files(results, tmp_path):
    old = ("index.html", "results.csv", "assets/leaderboard.css", "tasks/gone.html")
    for number, text in enumerate(("made by: suite leaderboard build\n", "")):
        site = tmp_path / str(number)
        for name in (*old, MARKER):
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text if name == MARKER else "old")
        (site / "tasks" / "data.csv").touch()
        with pytest.raises(UsageError, match=r"tasks/data\.csv"):
            build(results, site, REFERENCES)
        (site / "tasks" / "data.csv").unlink()
        build(results, site, REFERENCES)
        assert not (site / "tasks" / "gone.html").exists()
        assert "tasks/digits.html" in (site / MARKER).read_text().splitlines()


def test_an_older_site_is_replaced_as_a_whole(results, tmp_path):
    _, site = built(results, tmp_path)
    (results / "digits" / "mezo.quick.json").unlink()
    built(results, tmp_path)
    assert not (site / "methods" / "mezo.html").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "site"]


def test_a_failing_build_leaves_the_older_site(results, tmp_path, monkeypatch):
    _, site = built(results, tmp_path)
    before = (site / "index.html").read_bytes()

    def broken(folder):
        raise RuntimeError("no ink")

    monkeypatch.setattr("leaderboard.site.write_marker", broken)
    with pytest.raises(RuntimeError, match="no ink"):
        built(results, tmp_path)
    assert (site / "index.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "site"]


def test_a_missing_folder_of_results_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such results folder"):
        build(tmp_path / "nowhere", tmp_path / "site", REFERENCES)
