"""Trials that diverge, raise, hang, die or cheat: recorded with their reason, never fatal."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.components.method import make_method
from suite.errors import StudyStopped, SuiteError
from suite.execution.executor import Executor
from suite.execution.inline import InlineExecutor
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter
from suite.results import files as results
from suite.results.model import Result
from suite.studies.plan import find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.run_studies import Silent, run_studies
from tests.commands import TINY, command, environment, start, suite
from tests.methods import write_method


@pytest.fixture(scope="module")
def processes(tmp_path_factory) -> Iterator[LocalExecutor]:
    """For what a process is needed; one for all, as no trial disturbs another."""
    executor = LocalExecutor(1, Starter(1, tmp_path_factory.mktemp("log") / "workers.log"))
    yield executor
    executor.close()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))


def run(
    method: str,
    folder: Path,
    executor: Executor | None = None,
    limit: float | None = None,
    *,
    keep_going: bool = True,
) -> Result:
    """One replicate of a quick study, in this process unless there is an executor."""
    plan = make_plan(
        make_method(method),
        find_task(TINY),
        dataclasses.replace(get_protocol("quick"), replicates=1),
        seed=0,
        device="cpu",
        threads=1,
        results=folder / "r",
        data=folder,
        time_limit=limit,
    )
    chosen = executor or InlineExecutor()
    return run_studies([plan], chosen, 1, Silent(), keep_going=keep_going)[0]


def test_a_first_trial_that_raises_stops_the_study_and_names_the_line(tmp_path):
    method = write_method(tmp_path, "raises", "raise ZeroDivisionError('one by nought')")
    folder = ("--task", TINY, "--results", str(tmp_path / "r"), "--jobs", "2")
    for _ in range(2):  # nothing is kept: the same command tries again
        done = suite(
            "run", "--optimizer", method, "--optimizer", "sgd", *folder, home=tmp_path / "home"
        )
        assert done.returncode == 1
        assert not (tmp_path / "r" / "tiny_blobs" / "raises.quick.json").exists()
        assert (tmp_path / "r" / "tiny_blobs" / "sgd.quick.json").exists()
        assert (
            f"""raises on tiny_blobs stopped: its first trial, with the defaults, failed.
  {method}, line 11, in step
    raise ZeroDivisionError('one by nought')
  ZeroDivisionError: one by nought
No result is written."""
            in done.stderr
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert done.stderr.count("one by nought") < 5


def test_a_component_that_does_not_apply_ends_its_study_at_once(tmp_path):
    regularizer = tmp_path / "never.py"
    regularizer.write_text(
        "from suite import NotApplicable, Regularizer, regularizer\n"
        "class Never(Regularizer):\n"
        "    def attach(self, model, info):\n"
        "        raise NotApplicable('it needs two heads')\n"
        "regularizer('never', Never, paper='none', url='', summary='For a test.')\n"
    )
    plan = make_plan(
        make_method("sgd", [str(regularizer)]),
        find_task(TINY),
        get_protocol("quick"),
        seed=0,
        device="cpu",
        threads=1,
        results=tmp_path / "r",
        data=tmp_path,
    )
    with pytest.raises(StudyStopped, match="NotApplicable: it needs two heads\nNo result"):
        run_studies([plan], InlineExecutor(), 1, Silent(), keep_going=False)


def test_what_the_audit_cannot_run_stops_the_study(tmp_path):
    method = write_method(
        tmp_path,
        "audit_raises",
        "if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:",
        "    raise RuntimeError('seen')",
    )
    with pytest.raises(StudyStopped, match="operations could not be counted: RuntimeError: seen"):
        run(method, tmp_path, keep_going=False)


def test_a_later_trial_that_raises_does_not_stop_the_study(tmp_path):
    method = write_method(
        tmp_path,
        "raises_later",
        "if self.param_groups[0]['lr'] != 1e-2:",
        "    raise KeyError('x')",
    )
    result = run(method, tmp_path, keep_going=False)
    assert [r.status for r in result.tuning_runs] == ["completed"] + ["failed"] * 5
    assert result.tuning_runs[1].reason == "KeyError: 'x' (in raises_later.py, line 12, step)"


def test_all_trials_raise(tmp_path):
    method = write_method(tmp_path, "raises", "raise ZeroDivisionError('one by nought')")
    folder = ("--task", TINY, "--results", str(tmp_path / "r"), "--jobs", "1", "--keep-going")
    done = suite("run", "--optimizer", method, *folder, home=tmp_path / "home")
    result = results.read(tmp_path / "r" / "tiny_blobs" / "raises.quick.json")
    assert done.returncode == 1
    assert {r.status for r in (*result.tuning_runs, *result.evaluation_runs)} == {"failed"}
    assert "one by nought" in result.evaluation_runs[0].reason
    assert "raises.py" in result.evaluation_runs[0].traceback
    assert 'File "suite/training/loop.py"' in result.evaluation_runs[0].traceback
    assert result.evaluation_runs[0].test_score == result.task.worst
    assert "ZeroDivisionError: one by nought (in raises.py, line 11, step)" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_divergence_is_recorded_and_does_not_stop_the_study(tmp_path):
    method = write_method(
        tmp_path,
        "diverges",
        "if self.param_groups[0]['lr'] > 1e-2:",
        "    self.param_groups[0]['params'][0].data.fill_(float('nan'))",
    )
    result = run(method, tmp_path)
    statuses = [r.status for r in result.tuning_runs]
    assert statuses[0] == "completed"
    assert "diverged" in statuses
    diverged = result.tuning_runs[statuses.index("diverged")]
    assert "not finite" in diverged.reason
    assert diverged.validation_score == result.task.worst
    assert diverged.cost.examples > 0
    assert result.replicates[0].chosen != diverged.number


def test_hanging_trials_are_stopped(tmp_path, processes):
    method = write_method(
        tmp_path, "hangs", "if self.param_groups[0]['lr'] != 1e-2:", "    time.sleep(600)"
    )
    result = run(method, tmp_path, processes, limit=2.0)
    assert [r.status for r in result.tuning_runs] == ["completed"] + ["timeout"] * 5
    assert result.tuning_runs[1].reason == "stopped after 2 s"
    assert result.tuning_runs[1].cost.seconds >= 2.0


def test_a_process_that_dies_costs_one_retry(tmp_path, processes):
    flag = tmp_path / "died"
    method = write_method(
        tmp_path,
        "dies_once",
        f"flag = Path({str(flag)!r})",
        "if not flag.exists():",
        "    flag.touch()",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    result = run(method, tmp_path, processes)
    assert flag.exists()
    assert {r.status for r in (*result.tuning_runs, *result.evaluation_runs)} == {"completed"}


def test_a_process_that_always_dies_fails_its_trial_only(tmp_path, processes):
    method = write_method(
        tmp_path,
        "dies",
        "if self.param_groups[0]['lr'] != 1e-2:",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    result = run(method, tmp_path, processes)
    assert [r.status for r in result.tuning_runs] == ["completed"] + ["failed"] * 5
    assert "died 2 times, last by SIGKILL" in result.tuning_runs[1].reason


def test_what_a_method_prints_does_not_disturb(tmp_path):
    method = write_method(
        tmp_path, "prints", "print('hello from the method')", "os.write(1, b'raw bytes')"
    )
    folder = ("--task", TINY, "--results", str(tmp_path / "r"), "--protocol", "smoke")
    done = suite("run", "--optimizer", method, *folder, home=tmp_path / "home")
    output = done.stdout + done.stderr
    assert done.returncode == 0
    assert "hello from the method" not in output
    log = next(line for line in output.splitlines() if "What the trials printed" in line)
    said = Path(log.split(": ", 1)[1]).read_text()
    assert said.startswith("== prints on tiny_blobs, replicate 0 tuning 0\nhello from the method\n")
    assert "raw bytes" in said


def test_a_step_that_evaluates_nothing_is_a_failure(tmp_path):
    result = run(write_method(tmp_path, "idles", "return None"), tmp_path)
    ended = result.evaluation_runs[0]
    assert ended.status == "failed"
    assert "asked neither for the loss nor for its gradient" in ended.reason
    assert ended.cost.steps == 1


def test_a_step_that_overspends_is_a_failure(tmp_path):
    method = write_method(tmp_path, "overspends", "for _ in range(10_000):", "    closure()")
    result = run(method, tmp_path)
    ended = result.evaluation_runs[0]
    assert ended.status == "failed"
    assert "whole budget of 120 gradient evaluations" in ended.reason
    assert ended.cost.examples <= result.task.budget


def test_a_full_disk_is_called_that(tmp_path, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("suite.studies.storage.StudyStorage.finish", full)
    with pytest.raises(SuiteError) as told:
        run(write_method(tmp_path, "fine", "pass"), tmp_path)
    assert f"no space left in {tmp_path / 'home' / 'studies' / 'tiny_blobs'}: " in str(told.value)
    assert "run the same command again; nothing is lost" in str(told.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_finished_trials_and_says_how_to_go_on(tmp_path, number):
    # Slow enough that the signal comes before the end.
    slow = write_method(tmp_path, "slow", "time.sleep(0.02)")
    arguments = ("run", "--optimizer", slow, "--task", TINY, "--results", str(tmp_path / "r"))
    process = start(*arguments, home=tmp_path / "home")
    output = ""
    for line in process.stdout:
        output += line
        if "[2/21]" in line:
            break
    os.kill(process.pid, number)
    output += process.communicate(timeout=30)[0]
    assert process.returncode == 130, output
    assert "the same command resumes" in output
    assert "Traceback" not in output
    done = suite(*arguments, home=tmp_path / "home")
    assert done.returncode == 0
    assert "trials are kept" in done.stderr


def test_sigterm_stops_a_run_that_a_script_started_in_the_background(tmp_path):
    """A shell without job control starts `suite run … &` with SIGINT ignored."""
    slow = write_method(tmp_path, "slow", "time.sleep(0.02)")
    arguments = ("run", "--optimizer", slow, "--task", TINY, "--results", str(tmp_path / "r"))
    process = subprocess.Popen(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command(*arguments)],
        env=environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert any("[1/21]" in line for line in process.stdout)
    process.terminate()
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 130, output
    assert "the same command resumes" in output
    assert "Traceback" not in output


def test_two_processes_on_one_study_are_refused(tmp_path):
    slow = write_method(tmp_path, "slow", "time.sleep(0.5)")
    arguments = ("run", "--optimizer", slow, "--task", TINY, "--results", str(tmp_path / "r"))
    first = subprocess.Popen(
        command(*arguments), env=environment(tmp_path / "home"), stdout=subprocess.PIPE, text=True
    )
    first.stdout.readline()  # "1 study, ..." is printed just before it starts
    second = None
    for _ in range(3):
        second = suite(*arguments, home=tmp_path / "home")
        if second.returncode == 2:
            break
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "another process is working on this study" in second.stderr
