"""Replays of runs that took place, of runs that did not, and of runs on other machines."""

from __future__ import annotations

import dataclasses
import math

import pytest

from suite.components.method import make_method
from suite.execution.inline import InlineExecutor
from suite.replaying.comparing import compare
from suite.replaying.plans import NotReplayable, choose, replay_plan
from suite.replaying.replay import Choice, replay, same_kind
from suite.replaying.tolerances import FACTOR, allowed, measured
from suite.results.files import seal
from suite.studies.plan import find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.run_studies import Silent, run_studies
from suite.training.loop import run_trial
from tests.commands import TINY

PREFIX = Choice(runs=1, trials=1, share=0.3, seed=0)
WHOLE = Choice(runs=None, trials=None, share=1.0, seed=0)


def made(folder, task, *method):
    return make_plan(
        make_method(*method),
        find_task(task),
        get_protocol("smoke"),
        seed=0,
        device="cpu",
        threads=1,
        results=folder / "results",
        data=folder / "data",
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUITE_HOME", str(folder / "home"))
        plan = made(folder, TINY, "adamw", (), ("cosine",))
        return run_studies([plan], InlineExecutor(), 1, Silent())[0]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))


def changed(result, change):
    """The result with one thing changed in its evaluation run, and a fresh digest."""
    content = result.model_dump(mode="json", exclude={"digest", "schema_version"})
    run = content["replicates"][0]["evaluation"][0]
    change(run)
    return seal(content)


def test_a_result_with_diagnostics_is_replayed_without_them(result, tmp_path):
    def look(run):
        points = len(run["curve"]["test"]["loss"])
        run["curve"]["diagnostics"] = {"seen": [1.0] * points}

    content = result.model_dump(mode="json", exclude={"digest", "schema_version"})
    look(content["replicates"][0]["evaluation"][0])
    content["diagnostics"] = [
        {"name": "seen", "version": 1, "source_hash": "ab" * 8, "paper": "p", "url": "u",
         "columns": {"seen": "ratio"}, "cost": 0.0, "seconds": 0.0, "notes": {}}
    ]  # fmt: skip
    items = replayed(seal(content), WHOLE, tmp_path)
    assert {item.comparison.outcome for item in items} == {"equal"}


def replayed(result, choice, tmp_path):
    return list(replay(result, choice, InlineExecutor(), tmp_path))


@pytest.mark.parametrize("task", [TINY, "class_incremental_growth"])
def test_a_stopped_run_is_the_beginning_of_the_whole_one(tmp_path, task):
    plan = made(tmp_path, task, "adamw", (), ("cosine",))
    trial = dataclasses.replace(
        plan.trial(0, "evaluation", 0, plan.method.defaults), audited=None, budget_fraction=0.5
    )
    whole = run_trial(trial).run
    part = run_trial(dataclasses.replace(trial, stop_at=0.3)).run
    points = len(part.curve.gradient_evaluations)
    assert whole.status == part.status == "completed"
    assert 1 < points < 0.6 * len(whole.curve.gradient_evaluations)
    assert part.cost.examples < 0.6 * whole.cost.examples
    assert part.curve.test == {name: v[:points] for name, v in whole.curve.test.items()}
    assert part.curve.train_loss == whole.curve.train_loss[:points]


@pytest.mark.parametrize("choice", [PREFIX, WHOLE])
def test_runs_that_took_place_come_again_to_the_bit(result, tmp_path, choice):
    found = replayed(result, choice, tmp_path)
    assert {item.chosen.purpose for item in found} == {"evaluation", "tuning"}
    assert [item.comparison.outcome for item in found] == ["equal"] * len(found)


def test_an_invented_curve_is_seen_in_the_prefix(result, tmp_path):
    metric = result.task.metric

    def invent(run):
        values = run["curve"]["test"][metric]
        run["curve"]["test"][metric] = [values[0], *(0.9 * value for value in values[1:])]
        run["test_score"] = round(0.9 * run["test_score"], 6)

    forged = changed(result, invent)
    found = _compared(forged, result, {f"test {metric}": 1e-6})
    assert found.outcome == "mismatch"
    assert f"test {metric} differs by" in found.reason
    assert found.differences[0].at == result.evaluation_runs[0].curve.gradient_evaluations[1]


def _compared(said, again, tolerances, *, exact=False, whole=False):
    """The evaluation run of one result against that of another."""
    return compare(
        said.evaluation_runs[0],
        again.evaluation_runs[0],
        said.task,
        tolerances,
        exact=exact,
        whole=whole,
    )


def test_a_large_number_may_differ_by_a_share_of_it(result):
    """The loss of a trial that diverges is off by thousands elsewhere."""
    metric = result.task.metric

    def to(value):
        def change(run):
            run["curve"]["test"][metric][-1] = value

        return changed(result, change)

    allowed_share = {f"test {metric}": 0.02}
    assert _compared(to(5000.0), to(5050.0), allowed_share).outcome == "close"
    assert _compared(to(5000.0), to(5150.0), allowed_share).outcome == "mismatch"
    assert _compared(to(0.5), to(0.515), allowed_share).outcome == "close"
    assert _compared(to(0.5), to(0.53), allowed_share).outcome == "mismatch"


def test_a_difference_passes_within_its_tolerance_and_on_another_machine_only(result):
    metric = result.task.metric

    def drift(run):
        run["curve"]["test"][metric][-1] += 1e-4

    near = changed(result, drift)
    enough = {f"test {metric}": 2e-4}
    assert _compared(near, result, enough).outcome == "close"
    assert _compared(near, result, {f"test {metric}": 5e-5}).outcome == "mismatch"
    assert _compared(near, result, {"train_loss": 1.0}).outcome == "mismatch"
    assert "no tolerance" in _compared(near, result, None).reason
    assert "same machine kind" in _compared(near, result, enough, exact=True).reason
    assert _compared(result, result, None, exact=True).outcome == "equal"


def test_the_last_digits_may_differ_but_not_where_points_lie(result):
    metric = result.task.metric

    def round_otherwise(run):
        run["curve"]["test"][metric][-1] += 1e-5

    def move(run):
        at = list(result.evaluation_runs[0].curve.gradient_evaluations)
        run["curve"]["gradient_evaluations"] = [*at[:-1], at[-1] + 1e-5]

    assert _compared(changed(result, round_otherwise), result, {}).outcome == "close"
    assert _compared(changed(result, move), result, {}).outcome == "mismatch"


def test_a_score_that_the_curve_does_not_have_is_seen_in_a_whole_run(result):
    better = changed(result, lambda run: run.update(test_score=run["test_score"] + 0.1))
    assert _compared(better, result, {}).outcome == "equal"
    found = _compared(better, result, {"test score": 0.01}, whole=True)
    assert found.outcome == "mismatch"
    assert "test score" in found.differences[0].text


def test_a_run_that_ended_otherwise_is_a_mismatch(result):
    short = changed(result, lambda run: run["curve"].update(_first_points(run["curve"], 1)))
    assert "ends after 1 points" in _compared(short, result, {}).reason
    diverged = changed(result, lambda run: run.update(status="diverged"))
    assert "diverged" in _compared(diverged, result, {}, whole=True).reason


def _first_points(curve, count):
    columns = {name: curve[name][:count] for name in ("seconds", "train_loss")}
    splits = {
        split: {name: values[:count] for name, values in curve[split].items()}
        for split in ("validation", "test")
    }
    return {"gradient_evaluations": [float(i) for i in range(count)], **columns, **splits}


def test_which_runs_are_looked_at_follows_from_seed_and_digest(published):
    chosen = [[item.title for item in choose(published, 1, 2, seed)] for seed in range(20)]
    assert chosen == [[item.title for item in choose(published, 1, 2, s)] for s in range(20)]
    assert len({tuple(titles) for titles in chosen}) > 5
    assert all(len(titles) == 3 for titles in chosen)
    assert len(choose(published, None, None, 0)) == published.protocol.replicates * 7


@pytest.fixture(scope="module")
def published():
    from suite.home import ROOT
    from suite.results.files import read

    return read(ROOT / "results" / "digits" / "adamw.quick.json")


def test_another_source_is_not_replayed(result, tmp_path):
    content = result.model_dump(mode="json", exclude={"digest", "schema_version"})
    content["method"]["components"][0]["source_hash"] = "0" * 16
    with pytest.raises(NotReplayable, match="adamw"):
        replay_plan(seal(content), tmp_path)


def test_a_kind_of_machine_is_model_and_packages(result):
    here = result.environment.model_copy(update={"cpu": "Xeon (cpu family 6, model 207)"})
    assert same_kind(here, here)
    assert not same_kind(here.model_copy(update={"packages": {"torch": "1"}}), here)
    unnamed = here.model_copy(update={"cpu": "Xeon"})
    assert not same_kind(unnamed, unnamed)


def test_tolerances_are_for_measured_tasks_and_grow_with_the_share():
    for name, task in measured().tasks.items():
        assert set(task.prefix) <= {*task.whole, *task.prefix}
        short = allowed(name, task.version, measured().share)
        assert short == {what: FACTOR * value for what, value in task.prefix.items()}
        assert allowed(name, task.version + 1, 1.0) is None
        assert all(math.isfinite(value) for value in task.whole.values())
    assert allowed("no_such_task", 1, 0.1) is None
