"""Audits: measured once for each method and kept, in a process of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.components import registry
from suite.components.fingerprints import sources
from suite.execution.audits import keep_audit, kept_audit
from suite.execution.executor import Ended, Job
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter
from suite.results.model import AuditRecord, Run
from suite.training.trial import Trial
from tests.commands import TINY
from tests.methods import write_method

RECORD = AuditRecord(slope=1.25, rest=3.0, example=100.0)
#: in place of the suite's own audit, which is tested elsewhere
STAND_IN = """
import os, sys, types

module = types.ModuleType("suite.training.audit")


def measure(trial):
    from suite.results.model import AuditRecord
    if os.environ.get("AUDIT") == "fails":
        raise RuntimeError("nothing to count")
    print("audit of", trial.audited)
    with open(os.environ["AUDITED"], "a") as file:
        print(os.getpid(), trial.audited["plain"]["lr"], file=file)
    return AuditRecord(slope=1.25, rest=3.0, example=100.0)


module.measure = measure
module.audited_factor = lambda trial, audit: 1.0
module.Undercharged = type("Undercharged", (Exception,), {})
sys.modules["suite.training.audit"] = module
"""


def trial(method: str, rate: float | None, number: int = 0) -> Trial:
    return Trial(
        task="tiny_blobs",
        components=(("optimizer", "plain"),),
        hyperparameters={"plain": {"lr": 1e-2}},
        number=number,
        seed=7,
        purpose="tuning",
        budget_fraction=0.05,
        files=(TINY, method),
        sources=sources(registry.load_file(TINY)[0], registry.load_file(method)),
        audited=None if rate is None else {"plain": {"lr": rate}},
    )


@pytest.fixture
def counted(tmp_path, monkeypatch) -> Path:
    """Where the stand-in writes a line for each audit."""
    (tmp_path / "sitecustomize.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUDITED", str(tmp_path / "audited"))
    return tmp_path / "audited"


@pytest.fixture
def fails(monkeypatch) -> None:
    """Audits fail in the processes that are started from here on."""
    monkeypatch.setenv("AUDIT", "fails")


@pytest.fixture
def executor(tmp_path) -> Iterator[LocalExecutor]:
    executor = LocalExecutor(1, Starter(1, tmp_path / "workers.log"))
    yield executor
    executor.close()


def run(executor: LocalExecutor, trial: Trial) -> Run:
    executor.submit(Job("a study", trial, registry.load_file(TINY)[0], 60.0))
    for _ in range(60):
        event = executor.next_event(2.0)
        if isinstance(event, Ended):
            return event.outcome.run
    pytest.fail("the trial did not end")


def test_a_method_is_audited_once_for_its_hyperparameters(counted, executor, tmp_path):
    method = write_method(tmp_path, "plain", "pass")
    for number, rate in enumerate([0.1, 0.1, None, 0.2, 0.1]):
        assert run(executor, trial(method, rate, number)).status == "completed"
    audits = [line.split() for line in counted.read_text().splitlines()]
    assert [rate for _, rate in audits] == ["0.1", "0.2"]
    assert len({process for process, _ in audits}) == 2
    assert kept_audit(trial(method, 0.1)) == RECORD
    assert not list((tmp_path / "home" / "audits").glob("*.part"))


def test_a_method_that_cannot_be_audited_has_not_completed(counted, fails, executor, tmp_path):
    method = write_method(tmp_path, "plain", "pass")
    failed = run(executor, trial(method, 0.1))
    task = registry.load_file(TINY)[0]
    assert failed.status == "failed"
    said = "its operations could not be counted: RuntimeError: nothing to count"
    assert failed.reason.startswith(said)
    assert failed.validation_score == task.score.worst
    assert failed.cost.gradient_evaluations > 0
    assert run(executor, trial(method, None)).status == "completed"


@pytest.mark.parametrize(
    "change",
    [
        {"task": "another"},
        {"components": (("optimizer", "plain"), ("regularizer", "sam"))},
        {"audited": {"plain": {"lr": 0.2}}},
        {"sources": (("optimizer 'plain'", "edited"),)},
        {"device": "cuda"},
    ],
)
def test_an_audit_of_something_else_is_not_used(counted, tmp_path, change):
    method = write_method(tmp_path, "plain", "pass")
    measured = trial(method, 0.1)
    keep_audit(measured, RECORD)
    assert kept_audit(measured) == RECORD
    assert kept_audit(dataclasses.replace(measured, number=5, seed=9)) == RECORD
    assert kept_audit(dataclasses.replace(measured, **change)) is None


def test_a_damaged_audit_is_measured_again(counted, tmp_path):
    measured = trial(write_method(tmp_path, "plain", "pass"), 0.1)
    keep_audit(measured, RECORD)
    (file,) = (tmp_path / "home" / "audits").iterdir()
    file.write_text('{"slope": ')
    assert kept_audit(measured) is None


def test_an_audit_of_unknown_code_is_not_kept(counted, tmp_path):
    measured = dataclasses.replace(trial(write_method(tmp_path, "plain", "pass"), 0.1), sources=())
    keep_audit(measured, RECORD)
    assert kept_audit(measured) is None
