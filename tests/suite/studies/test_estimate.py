"""Estimates: from finished trials where there are any."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from suite.components.method import make_method
from suite.execution.inline import InlineExecutor
from suite.studies import estimate
from suite.studies.journal import Journal, line_of, read_entries
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.run_studies import Silent, run_studies
from tests.commands import TINY


@pytest.fixture
def plan(tmp_path: Path, monkeypatch) -> Plan:
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    settings = {"seed": 0, "device": "cpu", "threads": 1, "data": tmp_path, "results": tmp_path}
    return make_plan(make_method("sgd"), find_task(TINY), get_protocol("smoke"), **settings)


def rewrite(journal: Path, seconds: float, wall: float) -> None:
    """Let the trials of a storage have taken so long."""
    entries = Journal(journal).entries
    for entry in entries:
        if "finished" in entry:
            entry["run"]["cost"] |= {"seconds": seconds, "evaluation_seconds": 0.0}
            entry["seconds"] = wall
    journal.write_bytes(b"".join(map(line_of, entries)))


def test_finished_trials_are_what_the_next_study_goes_by(plan: Plan) -> None:
    assert estimate.kept_trial_seconds(plan) is None
    run_studies([plan], InlineExecutor(), 1, Silent())
    ended = [entry for entry in read_entries(plan.journal) if "finished" in entry]
    assert all(entry["seconds"] >= 0 for entry in ended)
    rewrite(plan.journal, seconds=2.0, wall=5.0)
    assert estimate.kept_trial_seconds(plan) == pytest.approx(5.0, rel=0.05)
    (found,) = estimate.study_estimates([plan], 1).values()
    assert (found.rounds, found.seconds) == (2, 2 * found.trial)
    # The budget is 20 times as large; starting a process takes as long as before.
    larger = dataclasses.replace(plan, rules=get_protocol("quick"))
    assert estimate.kept_trial_seconds(larger) == pytest.approx(20 * 2.0 + 3.0, rel=0.05)
    # Another method on the task is the next best guess; another machine part says nothing.
    other = dataclasses.replace(plan, method=make_method("lion"))
    assert estimate.kept_trial_seconds(other) == pytest.approx(5.0, rel=0.05)
    assert estimate.kept_trial_seconds(dataclasses.replace(plan, threads=2)) is None


def test_a_task_without_trials_is_timed_once(plan: Plan, monkeypatch) -> None:
    timed = []
    monkeypatch.setattr(estimate, "trial_seconds", lambda plan: timed.append(plan) or 1.5)
    plans = [plan, dataclasses.replace(plan, method=make_method("lion"))]
    found = estimate.study_estimates(plans, 2)
    assert [each.seconds for each in found.values()] == [3.0, 3.0]
    assert len(timed) == 1
