"""`suite check` as a user calls it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click
import pytest

from suite.checking.checks import CHECKS
from suite.checking.verdict import Verdict
from suite.cli import check
from tests.commands import FILES, suite

GOOD = '''
"""A plain method. Deviates from the paper: nothing."""
from torch.optim import SGD
from suite import optimizer, schedule, search

optimizer("plain_one", SGD, paper="Robbins and Monro 1951", url="https://example.org/x",
          summary="Plain.", search={"lr": search.log_uniform(1e-3, 1.0, default=0.1)})
'''
BAD = """
import torch
from suite import optimizer, search

class Kept(torch.optim.SGD):
    def __init__(self, params, lr, unused=1):
        super().__init__(params, lr=lr)
        self.steps = 0
    def step(self, closure):
        self.steps += 1
        print("step", self.steps)
        if self.param_groups[0]["params"][0].dtype == torch.bfloat16:
            raise ValueError("no such numbers")
        return super().step(closure)

optimizer("kept", Kept, paper="none", url="https://example.org/x", summary="Bad.",
          search={"lr": search.log_uniform(1e-3, 1.0, default=0.1)MORE})
"""
UNUSED = ', "unused": search.choice(1, 2, default=1)'


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "home"


def written(folder: Path, text: str, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_file_outside_the_repository_passes_and_runs_on_two_tasks(tmp_path, home):
    done = suite("check", written(tmp_path, GOOD), home=home, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"optimizer plain_one  {tmp_path / 'mine.py'}"
    assert lines[-1].startswith("no problems, no warnings in")
    checked = [line.split("  ")[1].strip() for line in lines[1:-1]]
    assert {"declaration", "state_dict", "hyperparameter lr"} <= set(checked)
    tasks = [line for line in lines if line.strip().startswith("task ")]
    assert len(tasks) == 2
    assert all("beats the untuned reference" in line for line in tasks)


def test_problems_have_a_line_a_cure_and_exit_code_1(tmp_path, home):
    file = written(tmp_path, BAD.replace("MORE", UNUSED))
    done = suite("check", file, "--quick", home=home, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "step 1" not in done.stderr
    out = done.stdout
    assert "ValueError: no such numbers (in mine.py, line 13, step)" in out
    assert '`raise ValueError("no such numbers")`' in out
    assert "hyperparameter unused        problem" in out
    assert "-> Use it in the update, take it out of `search`" in out
    assert "3 problems, " in out


def test_one_document_of_json(tmp_path, home):
    files = [written(tmp_path, BAD.replace("MORE", "")), written(tmp_path, "1/0", "broken.py")]
    done = suite("check", *files, "--quick", "--json", home=home, cwd=tmp_path)
    assert done.returncode == 1
    said = json.loads(done.stdout)
    (one,) = said["components"]
    assert (one["kind"], one["name"], one["file"]) == ("optimizer", "kept", files[0])
    assert one["problems"] == 2
    titles = {check["check"] for check in one["checks"]}
    expected = {check.title for check in CHECKS} - {"hyperparameters", "rates"}
    assert expected <= titles
    assert all(set(check) == {"check", "outcome", "seen", "cure"} for check in one["checks"])
    assert "ZeroDivisionError" in said["broken"][0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name\n", "ModuleNotFoundError"),
        ("x = (\n", "this is not Python"),
        ("x = 1\n", "registers nothing"),
    ],
)
def test_a_broken_file_has_one_line(tmp_path, home, text, said):
    done = suite("check", written(tmp_path, text), "--quick", home=home, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_task_is_no_component(tmp_path, home):
    file = written(tmp_path, (FILES / "tiny_task.py").read_text(), "tiny.py")
    done = suite("check", file, "--quick", home=home, cwd=tmp_path)
    assert done.returncode == 2
    assert "registers no component" in done.stderr


def test_names_patterns_and_what_matches_nothing(home):
    done = suite("check", "liom", "--quick", home=home)
    assert done.returncode == 2
    assert re.search("Did you mean [^?]*'lion'", done.stderr)
    done = suite("check", "nothing*", "--quick", home=home)
    assert (done.returncode, "matches 'nothing*'" in done.stderr) == (2, True)
    done = suite("check", "lio[m-o]", "lion", "--quick", "--json", home=home)
    assert done.returncode == 0
    assert [c["name"] for c in json.loads(done.stdout)["components"]] == ["lion"]


def test_long_texts_go_on_in_the_next_line_of_a_terminal(monkeypatch, capsys):
    found = Verdict("frozen", "problem", "seen " * 30, "Mend " * 30)
    check._show(found)
    assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setattr(check.sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(
        check.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((80, 24))
    )
    check._show(found)
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.strip().startswith("-> ") for line in lines) == 1
    assert len(lines) > 6


def test_cures_are_shown_where_something_is_to_be_mended(capsys):
    check._show(Verdict("frozen", "note", "seen", "Mend."))
    assert "Mend" not in capsys.readouterr().out
