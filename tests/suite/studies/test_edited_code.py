"""Files edited while their study runs: no trial is made by other code than its result says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from suite.components import registry
from suite.components.fingerprints import source_hash
from suite.errors import SuiteError
from suite.results import files as results
from suite.training.loop import run_trial
from suite.training.trial import Trial, sources
from tests.commands import TINY, start, suite

METHOD = """
import time
import torch
from suite import optimizer, search

class Slow(torch.optim.SGD):
    def step(self, closure):
        time.sleep(0.01)
        return super().step(closure)

optimizer("slow", Slow, paper="-", url="", summary="-",
          search={"lr": search.log_uniform(1e-3, 1.0, default=0.1)})
"""


def edited_meanwhile(path: Path, text: str, task: str, folder: Path) -> tuple[list[str], str, int]:
    """Run a study, write `text` to `path` after a trial: arguments, output and exit code."""
    method = folder / "slow.py"
    if not method.exists():
        method.write_text(METHOD)
    arguments = ["run", "--optimizer", str(method), "--task", task, "--jobs", "1"]
    arguments += ["--results", str(folder / "r")]
    process = start(*arguments, home=folder / "home")
    output = ""
    for line in process.stdout:
        output += line
        if "[1/9]" in line:
            path.write_text(text)
            break
    output += process.communicate(timeout=300)[0]
    assert "Traceback" not in output
    return arguments, output, process.returncode


def test_an_edited_method_ends_its_study_and_starts_another(tmp_path):
    method = tmp_path / "slow.py"
    other = METHOD.replace("time.sleep(0.01)", "pass")
    arguments, output, code = edited_meanwhile(method, other, TINY, tmp_path)
    assert code == 1
    assert "the source of optimizer 'slow' was changed while the study ran" in output
    path = tmp_path / "r" / "tiny_blobs" / "slow.quick.json"
    assert not path.exists()
    done = suite(*arguments, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "are kept" not in done.stderr
    assert results.read(path).method.components[0].source_hash == source_hash(method)


def test_an_edited_task_ends_its_study(tmp_path):
    task = tmp_path / "tiny_task.py"
    text = Path(TINY).read_text()
    task.write_text(text)
    other = text.replace("nn.Linear(16, 3)", "nn.Linear(16, 3, bias=False)")
    assert other != text
    _, output, code = edited_meanwhile(task, other, str(task), tmp_path)
    assert code == 1
    assert "the source of task 'tiny_blobs' was changed while the study ran" in output


def test_a_comment_does_not_matter(tmp_path):
    method = tmp_path / "slow.py"
    _, output, code = edited_meanwhile(method, "# A remark.\n" + METHOD, TINY, tmp_path)
    assert code == 0, output


def test_a_trial_says_which_part_is_another():
    task, method = registry.get("task", "digits"), registry.get("optimizer", "sgd")
    trial = Trial("digits", (("optimizer", "sgd"),), {"sgd": method.defaults}, 0, 1, "tuning", 0.05)
    planned = dataclasses.replace(trial, sources=sources(task, [method]))
    assert run_trial(planned).run.status == "completed"
    wrong = tuple((part, "0" * 16) for part, _ in planned.sources[1:])
    with pytest.raises(SuiteError, match="the source of optimizer 'sgd' was changed"):
        run_trial(dataclasses.replace(planned, sources=(planned.sources[0], *wrong)))
