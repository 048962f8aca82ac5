"""Trials that diverge, raise, hang, die or cheat: recorded with their reason, never fatal."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from suite.results import files as results
from tests.commands import TINY, command, environment, start, suite
from tests.methods import write_method


def run(method: str, folder: Path, *more: str) -> tuple[results.Result, str, int]:
    done = suite(
        *(
            "run",
            "--optimizer",
            method,
            "--task",
            TINY,
            "--results",
            str(folder / "r"),
            "--jobs",
            "1",
            *more,
        ),
        home=folder / "home",
    )
    # A time limit of one's own is part of the name.
    paths = list((folder / "r" / "tiny_blobs").glob(f"{Path(method).stem}.quick*.json"))
    assert len(paths) == 1, done.stderr
    (path,) = paths
    return results.read(path), done.stdout + done.stderr, done.returncode


def test_all_trials_raise(tmp_path):
    method = write_method(tmp_path, "raises", "raise ZeroDivisionError('one by nought')")
    result, output, code = run(method, tmp_path)
    assert code == 1
    assert {r.status for r in (*result.tuning, *result.evaluation)} == {"failed"}
    assert "one by nought" in result.evaluation[0].reason
    assert "raises.py" in result.evaluation[0].traceback
    assert 'File "suite/training.py"' in result.evaluation[0].traceback
    assert result.evaluation[0].test_score == result.task.worst
    assert "ZeroDivisionError: one by nought" in output
    assert "Traceback" not in output


def test_divergence_is_recorded_and_does_not_stop_the_study(tmp_path):
    method = write_method(
        tmp_path,
        "diverges",
        "if self.param_groups[0]['lr'] > 1e-2:",
        "    self.param_groups[0]['params'][0].data.fill_(float('nan'))",
    )
    result, _, code = run(method, tmp_path)
    statuses = [r.status for r in result.tuning]
    assert code == 0
    assert statuses[0] == "completed"
    assert "diverged" in statuses
    diverged = result.tuning[statuses.index("diverged")]
    assert "not finite" in diverged.reason
    assert diverged.validation_score == result.task.worst
    assert diverged.cost.examples > 0
    assert result.chosen != diverged.number


def test_hanging_trials_are_stopped(tmp_path):
    method = write_method(
        tmp_path, "hangs", "if self.param_groups[0]['lr'] != 1e-2:", "    time.sleep(600)"
    )
    result, output, code = run(method, tmp_path, "--trial-timeout", "5")
    assert code == 0
    assert [r.status for r in result.tuning] == ["completed"] + ["timeout"] * 5
    assert "stopped after 5 s" in output


def test_a_worker_that_dies_costs_one_retry(tmp_path):
    flag = tmp_path / "died"
    method = write_method(
        tmp_path,
        "dies_once",
        f"flag = Path({str(flag)!r})",
        "if not flag.exists():",
        "    flag.touch()",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    result, _, code = run(method, tmp_path)
    assert flag.exists()
    assert code == 0
    assert {r.status for r in (*result.tuning, *result.evaluation)} == {"completed"}


def test_a_worker_that_always_dies_fails_its_trial_only(tmp_path):
    method = write_method(
        tmp_path,
        "dies",
        "if self.param_groups[0]['lr'] != 1e-2:",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    result, output, code = run(method, tmp_path)
    assert code == 0
    assert [r.status for r in result.tuning] == ["completed"] + ["failed"] * 5
    assert "died 2 times, last by SIGKILL" in result.tuning[1].reason
    assert "SIGKILL" in output


def test_what_a_method_prints_does_not_disturb(tmp_path):
    method = write_method(
        tmp_path, "prints", "print('hello from the method')", "os.write(1, b'raw bytes')"
    )
    result, output, code = run(method, tmp_path)
    assert code == 0
    assert "hello from the method" not in output
    log = next(line for line in output.splitlines() if "What the trials printed" in line)
    assert "hello from the method" in Path(log.split(": ", 1)[1]).read_text()
    assert result.evaluation[0].status == "completed"


def test_a_step_that_evaluates_nothing_is_a_failure(tmp_path):
    method = write_method(tmp_path, "idles", "return None")
    result, output, code = run(method, tmp_path)
    assert code == 1
    assert "asked neither for the loss nor for its gradient" in output
    assert result.evaluation[0].cost.steps == 1


def test_a_step_that_overspends_is_a_failure(tmp_path):
    method = write_method(tmp_path, "overspends", "for _ in range(10_000):", "    closure()")
    result, _, _ = run(method, tmp_path)
    run_ = result.evaluation[0]
    assert run_.status == "failed"
    assert "with a budget of 3840" in run_.reason
    assert run_.cost.examples <= 1.2 * result.task.budget


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_finished_trials_and_says_how_to_go_on(tmp_path, number):
    # Slow enough that the signal comes before the end.
    slow = write_method(tmp_path, "slow", "time.sleep(0.02)")
    arguments = ("run", "--optimizer", slow, "--task", TINY, "--results", str(tmp_path / "r"))
    process = start(*arguments, home=tmp_path / "home")
    output = ""
    for line in process.stdout:
        output += line
        if "[2/9]" in line:
            break
    os.kill(process.pid, number)
    output += process.communicate(timeout=30)[0]
    assert process.returncode == 130, output
    assert "the same command goes on" in output
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
    assert any("[1/9]" in line for line in process.stdout)
    process.terminate()
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 130, output
    assert "the same command goes on" in output
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
