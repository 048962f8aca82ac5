"""Files edited while their study runs: no trial is made by other code than its result says."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from suite.components import registry
from suite.components.fingerprints import source_hash, sources
from suite.errors import SuiteError
from suite.results import files as results
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.commands import ROOT, TINY, command, environment, start, suite

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
        if "[1/21]" in line:
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
    for part in (
        "the source of the suite",
        "the source of task 'digits'",
        "the source of optimizer 'sgd'",
        "package 'torch'",
        "package 'scikit-learn'",
    ):
        assert part in dict(planned.sources)
        wrong = tuple((p, "0" * 16 if p == part else found) for p, found in planned.sources)
        with pytest.raises(SuiteError, match=f"^{part}.* was changed while the study ran: run"):
            run_trial(dataclasses.replace(planned, sources=wrong))


#: ends its worker, and the process that would fork another, in its second trial, after it edited
#: the suite
EDITS = """
import os, signal
from pathlib import Path
import torch
from suite import optimizer, search

HERE = Path(__file__).parent

class Edits(torch.optim.SGD):
    def __init__(self, params, lr):
        super().__init__(params, lr)
        with (HERE / "trials").open("a") as file:
            file.write("x")
        if (HERE / "trials").stat().st_size == 2:
            edited = HERE / "checkout" / "suite" / "training" / "recorder.py"
            text = edited.read_text()
            assert "DIGITS = 6" in text
            edited.write_text(text.replace("DIGITS = 6", "DIGITS = 2"))
            worker = os.getppid()
            listed = Path(f"/proc/{worker}/stat").read_text()
            starter = int(listed.rpartition(")")[2].split()[1])
            for process in (starter, worker):
                if process != int((HERE / "pid").read_text()):
                    os.kill(process, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

optimizer("edits", Edits, paper="-", url="",
          search={"lr": search.log_uniform(1e-3, 1.0, default=0.1)})
"""


def test_an_edited_suite_ends_a_study_whose_worker_was_lost(tmp_path):
    """As the kernel ends processes when memory runs out: the next ones would run other code."""
    checkout = tmp_path / "checkout"
    for part in ("suite", "leaderboard"):
        shutil.copytree(ROOT / part, checkout / part)
    (tmp_path / "edits.py").write_text(EDITS)
    process = subprocess.Popen(
        command("run", "--optimizer", "edits.py", "--task", TINY, "--jobs", "1"),
        cwd=tmp_path,
        env={**environment(tmp_path / "home"), "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    (tmp_path / "pid").write_text(str(process.pid))
    output = process.communicate(timeout=120)[0]
    assert "the source of the suite was changed while the study ran" in output
    assert "Traceback" not in output
    assert process.returncode == 1
    assert not list(tmp_path.rglob("edits.quick*.json"))


def smoke(folder: Path, optimizer: str, task: str) -> subprocess.CompletedProcess[str]:
    settings = ("--protocol", "smoke", "--jobs", "1", "--results", str(folder / "r"))
    return suite("run", "--optimizer", optimizer, "--task", task, *settings, home=folder / "home")


def test_an_edited_task_of_the_same_version_is_run_again(tmp_path):
    task = tmp_path / "tiny_task.py"
    text = Path(TINY).read_text()
    task.write_text(text)
    assert smoke(tmp_path, "sgd", str(task)).returncode == 0
    (first,) = (tmp_path / "r" / "tiny_blobs").iterdir()
    before = first.read_text()
    task.write_text(text.replace("+ noise", "+ 5 * noise"))
    done = smoke(tmp_path, "sgd", str(task))
    assert done.returncode == 0, done.stderr
    assert "done already" not in done.stdout
    assert "made by other code of task 'tiny_blobs'" in done.stdout
    assert str(first) in done.stdout
    assert first.read_text() == before
    (own,) = set((tmp_path / "r" / "tiny_blobs").iterdir()) - {first}
    one, other = results.read(first), results.read(own)
    assert one.task.version == other.task.version
    assert one.task.fingerprint != other.task.fingerprint
    assert one.evaluation_runs[0].test_score != other.evaluation_runs[0].test_score
    assert "done already" in smoke(tmp_path, "sgd", str(task)).stdout


def test_an_edited_module_that_a_method_imports_makes_another_study(tmp_path, monkeypatch):
    lab = tmp_path / "lab"
    lab.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(lab))
    library = (
        "import torch\nclass Mine(torch.optim.SGD):\n    def __init__(self, params, lr):\n"
        "        super().__init__(params, lr=SCALE * lr)\nSCALE = "
    )
    (lab / "mylab.py").write_text(library + "1.0\n")
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from mylab import Mine\nfrom suite import optimizer, search\n"
        'optimizer("mine", Mine, paper="-", url="", summary="-",\n'
        '    search={"lr": search.log_uniform(1e-3, 1.0, default=0.1)})\n'
    )
    assert smoke(tmp_path, str(mine), TINY).returncode == 0
    (first,) = (tmp_path / "r" / "tiny_blobs").iterdir()
    (lab / "mylab.py").write_text(library + "0.001\n")
    done = smoke(tmp_path, str(mine), TINY)
    assert done.returncode == 0, done.stderr
    assert "made by other code of optimizer 'mine'" in done.stdout
    assert "are kept" not in done.stderr, "trials of the old code must not be used"
    (own,) = set((tmp_path / "r" / "tiny_blobs").iterdir()) - {first}
    one, other = results.read(first), results.read(own)
    assert one.evaluation_runs[0].test_score != other.evaluation_runs[0].test_score
    hashes = {result.method.components[0].source_hash for result in (one, other)}
    assert len(hashes) == 2
