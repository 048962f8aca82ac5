"""Kept trials are used again only by the code that made them, and shown as what they are."""

from __future__ import annotations

import dataclasses
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from suite.components import fingerprints
from suite.components.method import make_method
from suite.results import environment
from suite.results import files as results
from suite.studies.journal import Journal, line_of
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.storage import StudyStorage
from tests.commands import TINY, suite

SMOKE = ("run", "--optimizer", "adamw", "--task", TINY, "--protocol", "smoke", "--jobs", "1")


@pytest.fixture
def planned(tmp_path: Path, monkeypatch) -> Plan:
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    settings = {"seed": 0, "device": "cpu", "threads": 1, "data": tmp_path, "results": tmp_path}
    return make_plan(make_method("adamw"), find_task(TINY), get_protocol("smoke"), **settings)


def test_a_lost_result_is_written_again_as_it_was(tmp_path):
    arguments = (*SMOKE, "--results", str(tmp_path / "r"))
    assert suite(*arguments, home=tmp_path / "home").returncode == 0
    path = tmp_path / "r" / "tiny_blobs" / "adamw.smoke.json"
    first = path.read_text()
    path.unlink()
    again = suite(*arguments, home=tmp_path / "home")
    assert "2 of 2 trials are kept" in again.stderr
    assert path.read_text() == first
    # What made the trials is what the journal says, not what is checked out when it is read.
    (journal,) = (tmp_path / "home").rglob("*.journal")
    entries = Journal(journal).entries
    next(e for e in entries if e.get("kept") == "environment")["value"]["commit"] = "a" * 40
    journal.write_bytes(b"".join(map(line_of, entries)) + b"garbage\n")
    path.unlink()
    again = suite(*arguments, home=tmp_path / "home")
    assert again.returncode == 0
    assert again.stderr.count(f"{journal} was damaged: 1 line moved") == 1
    assert "2 of 2 trials are kept" in again.stderr
    assert results.read(path).environment.commit == "a" * 40


def test_a_time_limit_of_ones_own_has_a_result_of_its_own(tmp_path):
    folder = tmp_path / "r" / "tiny_blobs"
    arguments = (*SMOKE, "--results", str(tmp_path / "r"))
    for limit in ("--trial-timeout", "50"), ():
        assert suite(*arguments, *limit, home=tmp_path / "home").returncode == 0
    plain, own = sorted(folder.iterdir(), key=lambda path: len(path.name))
    assert plain.name == "adamw.smoke.json"
    assert re.fullmatch(r"adamw\.smoke\.[0-9a-f]{8}\.json", own.name)
    results.check_place(results.read(own), own)
    # 60 s is the task's own limit; 40 s is yet another study.
    for limit, state, path in (("60", "done already", plain), ("50", "done already", own)):
        shown = suite(*arguments, "--trial-timeout", limit, "--dry-run", home=tmp_path / "home")
        assert state in shown.stdout
        assert str(path) in shown.stdout
    shown = suite(*arguments, "--trial-timeout", "40", "--dry-run", home=tmp_path / "home")
    assert "done already" not in shown.stdout


def test_the_time_limit_names_the_study(planned):
    limited = dataclasses.replace(planned, time_limit=5.0)
    assert limited.journal != planned.journal
    assert limited.result_path()[0] != planned.result_path()[0]
    same = dataclasses.replace(planned, time_limit=planned.task.time_limit)
    assert same.journal == planned.journal
    assert same.result_path() == planned.result_path()


def again(planned: Plan) -> Plan:
    """The same plan, made anew: nothing is remembered."""
    return dataclasses.replace(planned)


def test_other_code_or_packages_restart_a_study(planned, monkeypatch):
    journal = planned.journal
    assert again(planned).journal == journal
    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "suite_hash", lambda: "0" * 16)
        assert again(planned).journal != journal
    versions = fingerprints.versions()
    assert {"torch", "optuna", "numpy", "scikit-learn", "pytorch-optimizer"} <= set(versions)
    for package in versions:
        with monkeypatch.context() as patch:
            other = {**versions, package: "0.0"}
            patch.setattr(fingerprints, "versions", lambda used=(), other=other: other)
            assert again(planned).journal != journal


def test_every_package_that_a_method_imports_is_recorded(planned, tmp_path):
    path = tmp_path / "with_rich.py"
    path.write_text(
        "import rich, torch\nfrom suite import optimizer\n"
        'optimizer("with_rich", torch.optim.SGD, paper="-", url="")\n'
    )
    of_method = dataclasses.replace(planned, method=make_method(str(path)))
    assert "rich" not in planned.packages
    assert of_method.packages == {**planned.packages, "rich": version("rich")}
    assert environment.record("cpu", of_method.packages).packages == of_method.packages
    assert ("package 'rich'", version("rich")) in of_method.sources


def test_what_was_kept_when_a_study_began_stays(tmp_path):
    for value in ({"commit": "first"}, {"commit": "second"}):
        with StudyStorage(tmp_path / "x.journal", "minimize", {}) as storage:
            assert storage.keep("environment", value) == {"commit": "first"}


def test_the_commit_is_that_of_the_beginning(monkeypatch, tmp_path):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    environment._commit.cache_clear()
    monkeypatch.setattr(environment, "_git", lambda *arguments: "a" * 40)
    assert environment.record("cpu", {}).commit == "a" * 40
    monkeypatch.setattr(environment, "_git", lambda *arguments: "b" * 40)
    assert environment.record("cpu", {}).commit == "a" * 40
    environment._commit.cache_clear()
