"""`suite list` and `suite show` print what they printed before, until something is different."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from suite.cli import answers
from suite.components import registry
from suite.components.discovery import declarations
from tests.cli.test_start import cpu_seconds
from tests.commands import TINY, command, environment, suite

#: prints whether torch was imported, after the command's own output
LOOK = """
import sys
from suite.cli import _exit_code
code = _exit_code(sys.argv[1:])
print("torch:", "torch" in sys.modules, "code:", code, file=sys.stderr)
"""


def look(home, *arguments, **variables):
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments],
        env=environment(home) | variables,
        capture_output=True,
        text=True,
    )
    return done.stdout, done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [("list", "tasks"), ("show", "sam")])
def test_the_second_answer_is_the_first_one_without_torch(tmp_path, arguments):
    first, imported = look(tmp_path, *arguments)
    assert imported == "torch: True code: 0"
    assert len(first.splitlines()) > 5
    assert look(tmp_path, *arguments) == (first, "torch: False code: 0")
    assert min(cpu_seconds(command(*arguments), environment(tmp_path)) for _ in range(5)) < 0.5
    # Another terminal may show it in another way.
    assert look(tmp_path, *arguments, TERM="other") == (first, "torch: True code: 0")


def test_a_users_file_is_read_each_time(tmp_path):
    for _ in range(2):
        assert look(tmp_path, "show", TINY)[1] == "torch: True code: 0"
    assert not (tmp_path / "answers").exists()


def test_a_damaged_answer_and_a_folder_that_cannot_be_made_are_no_error(tmp_path):
    first = suite("show", "cosine", home=tmp_path)
    cached = tmp_path / "answers" / "show-cosine.json"
    cached.write_text("{")
    assert suite("show", "cosine", home=tmp_path).stdout == first.stdout
    assert json.loads(cached.read_text())["text"] == first.stdout
    (tmp_path / "file").touch()
    again = suite("show", "cosine", home=tmp_path / "file" / "home")
    assert (again.returncode, again.stdout) == (0, first.stdout)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small one, and a folder of packages."""
    for folder in ("suite", *answers.FOLDERS):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "there.py").write_text("x = 1\n")
    (tmp_path / "packages" / "torch-2.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(answers, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packages")])
    return tmp_path


@pytest.mark.parametrize("folder", ["suite", *answers.FOLDERS])
def test_a_changed_added_or_removed_file_makes_answers_stale(repository, folder):
    seen = [answers._inputs()]
    there = repository / folder / "there.py"
    there.write_text("x = 2\n")
    seen.append(answers._inputs())
    (repository / folder / "below").mkdir()
    (repository / folder / "below" / "new.py").touch()
    seen.append(answers._inputs())
    there.unlink()
    seen.append(answers._inputs())
    assert len(set(seen)) == 4
    assert answers._inputs() == seen[-1]


def test_another_package_makes_answers_stale(repository):
    before = answers._inputs()
    packages = repository / "packages"
    (packages / "torch-2.0.dist-info").rename(packages / "torch-2.1.dist-info")
    assert answers._inputs() != before


def test_nothing_is_cached_for_what_a_test_or_a_package_declares(monkeypatch):
    with registry.separate():
        assert answers._may_be_cached({"kind": "optimizers"})
        registry.load_file(TINY)
        assert not answers._may_be_cached({"kind": "optimizers"})
    with registry.separate():
        declarations()
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [group])
        assert not answers._may_be_cached({"kind": "optimizers"})
