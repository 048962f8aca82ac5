"""Trials in this process: for tests, and for a debugger."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from suite.execution import inline
from suite.execution.inline import InlineExecutor
from suite.results.model import AuditRecord
from tests.commands import TINY, command, environment
from tests.methods import write_method
from tests.suite.execution.test_execution import job, run


@pytest.mark.parametrize("line", ["raise KeyboardInterrupt", "import bdb; raise bdb.BdbQuit"])
def test_ctrl_c_and_the_debuggers_quit_end_everything(tmp_path, line):
    executor = InlineExecutor()
    executor.submit(job(write_method(tmp_path, "quits", line)))
    with pytest.raises(KeyboardInterrupt):
        executor.next_event(0.0)


def test_the_traceback_of_a_failure_is_shown_at_once(tmp_path, capsys):
    method = write_method(tmp_path, "fails", "raise ValueError('too warm')")
    assert run(InlineExecutor(), job(method)).status == "failed"
    assert capsys.readouterr().err == ""
    assert run(InlineExecutor(tracebacks=True), job(method)).status == "failed"
    shown = capsys.readouterr().err
    assert 'File "fails.py", line' in shown
    assert shown.endswith("ValueError: too warm\n")


def test_one_audit_serves_all_trials_of_equal_hyperparameters(tmp_path, monkeypatch):
    measured = []

    def measure(trial):
        measured.append(trial.audited)
        return AuditRecord(slope=1.0, rest=0.0, example=100.0)

    monkeypatch.setattr(inline, "measure", measure)
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    executor = InlineExecutor()
    method = write_method(tmp_path, "plain", "pass")
    for rate in (0.1, 0.1, 0.2):
        wanted = job(method)
        trial = dataclasses.replace(wanted.trial, audited={"plain": {"lr": rate}})
        assert run(executor, dataclasses.replace(wanted, trial=trial)).status == "completed"
    assert measured == [{"plain": {"lr": 0.1}}, {"plain": {"lr": 0.2}}]
    assert not (tmp_path / "home").exists(), "what was measured here may not be right elsewhere"


def debug(tmp_path, body: str, typed: str) -> subprocess.CompletedProcess[str]:
    method = write_method(tmp_path, "stops", *body.splitlines())
    return subprocess.run(
        command(
            *("run", "--optimizer", method, "--task", TINY, "--protocol", "smoke", "--jobs", "0"),
            *("--results", str(tmp_path / "r")),
        ),
        env=environment(tmp_path / "home"),
        input=typed,
        capture_output=True,
        text=True,
    )


def test_breakpoints_work_with_jobs_0(tmp_path):
    once = "if not hasattr(Method, 'stopped'):\n    Method.stopped = True\n    breakpoint()"
    done = debug(tmp_path, once, "print('rate', self.param_groups[0]['lr'] * 100)\ncontinue\n")
    assert done.returncode == 0, done.stderr
    assert "rate 1.0" in done.stdout
    assert "in this process" in done.stdout
    assert "[2/2] stops on tiny_blobs: evaluation 0, score" in done.stderr
    assert list((tmp_path / "r").rglob("*.json"))


def test_the_debuggers_quit_ends_the_command(tmp_path):
    done = debug(tmp_path, "breakpoint()", "quit\n")
    assert done.returncode == 130
    assert "Interrupted" in done.stderr
    assert "Traceback" not in done.stderr
