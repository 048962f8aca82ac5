"""Forged results: sealed anew, so that only what can be computed again gives them away."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import suite
from suite.components import registry
from suite.components.method import parse_method
from suite.errors import InvalidResult
from suite.home import ROOT
from suite.problems.task import Task
from suite.results import checks, verification
from suite.results.files import read, seal
from suite.results.frames import read_folder
from suite.results.model import Result
from suite.results.verification import check_consistency
from suite.studies.plan import make_plan
from suite.studies.protocol import get_protocol
from suite.training.seeds import derive
from tests.commands import TINY
from tests.samples import make_result

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> Task:
    """A registered task with room for every score that a sample has."""
    text = Path(TINY).read_text(encoding="utf-8").replace("tiny_blobs", "forged_blobs")
    file = tmp_path_factory.mktemp("forged") / "forged_blobs.py"
    file.write_text(re.sub(r"worst=[\d.]+", "worst=10.0", text), encoding="utf-8")
    (found,) = registry.load_file(file)
    return found


@pytest.fixture(scope="module")
def honest(task) -> Result:
    """A result of that task as a study here would have made it."""
    method = parse_method("sgd")
    plan = make_plan(
        method,
        task,
        get_protocol("quick"),
        seed=0,
        device="cpu",
        threads=1,
        results=Path("unused"),
        data=Path("unused"),
    )
    (component,) = plan.method_record().components
    return make_result(
        "lm_markov",
        "sgd",
        points=task.evaluations,
        task_fields=plan.task_record().model_dump(),
        component=component.model_dump(),
    )


def content_of(result: Result) -> dict[str, Any]:
    return copy.deepcopy(result.model_dump(exclude={"digest", "schema_version"}))


def forged(result: Result, change: Change) -> Result:
    content = content_of(result)
    change(content)
    return seal(content)


def runs_of(content: dict[str, Any], *purposes: str) -> list[dict[str, Any]]:
    return [
        run
        for replicate in content["replicates"]
        for purpose in purposes or ("tuning", "evaluation")
        for run in replicate[purpose]
    ]


def test_an_honest_result_is_believed_without_a_note(honest) -> None:
    assert check_consistency(honest, ours=True) == []


# -- the forgeries of the review, in its order ----------------------------------------------------


def choose(replicate, choice):
    """Let the replicate have chosen that trial."""
    replicate["chosen"] = choice
    for run in replicate["evaluation"]:
        run["hyperparameters"] = replicate["tuning"][choice]["hyperparameters"]


def highest(replicate):
    scores = [run["validation_score"] for run in replicate["tuning"]]
    return scores.index(max(scores))


def worst_chosen(content):
    last = content["replicates"][-1]
    choose(last, highest(last))


def budget_times_ten(content):
    content["task"]["budget"] *= 10
    stretch(content, 10)
    for run in runs_of(content):
        run["cost"]["examples"] *= 10
        run["cost"]["gradient_evaluations"] *= 10
        run["cost"]["operations"] *= 10


def stretch(content, factor):
    for run in runs_of(content):
        curve = run["curve"]
        curve["gradient_evaluations"] = [factor * at for at in curve["gradient_evaluations"]]
        if run["time_to_target"] is not None:
            run["time_to_target"] *= factor


def three_budgets(content):
    stretch(content, 3)


def last_tenth(content):
    for run in runs_of(content):
        curve = run["curve"]
        for name in ("gradient_evaluations", "seconds", "train_loss"):
            curve[name] = curve[name][-2:]
        for split in ("validation", "test"):
            curve[split] = {name: values[-2:] for name, values in curve[split].items()}
        run["time_to_target"] = run["seconds_to_target"] = None


def from_zero_but_cut(content):
    last_tenth(content)
    for run in runs_of(content):
        run["curve"]["gradient_evaluations"][0] = 0.0
        run["curve"]["train_loss"][:1] = [None] * bool(run["curve"]["train_loss"])


def outside_space(content):
    for run in runs_of(content):
        run["hyperparameters"]["sgd"]["lr"] = 1e6


def other_defaults(content):
    replicate = content["replicates"][1]
    replicate["tuning"][0]["hyperparameters"]["sgd"]["lr"] *= 1.01
    choose(replicate, replicate["chosen"])


def invented_seeds(content):
    for number, run in enumerate(runs_of(content, "evaluation")):
        run["seed"] = 1000 + number


def one_run_three_times(content):
    """The runs of one replicate under the seeds of all."""
    first, *others = content["replicates"]
    for other in others:
        other.update({**copy.deepcopy(first), "seed": other["seed"]})


def direction(content):
    content["task"].update(higher_is_better=True, worst=-10.0, target=100.0)
    in_runs(time_to_target=None, seconds_to_target=None)(content)
    for replicate in content["replicates"]:
        choose(replicate, highest(replicate))


def target_moved(content):
    content["task"]["target"] = -1.0
    for run in runs_of(content):
        run["time_to_target"] = run["seconds_to_target"] = None


def in_component(**fields):
    return lambda content: content["method"]["components"][0].update(fields)


def wider_space(content):
    content["method"]["components"][0]["search_space"]["lr"]["high"] = 1e3


def of_protocol(**fields):
    return lambda content: content["protocol"]["sampler"].update(fields)


def finished(time: str):
    return lambda content: content["environment"].update(finished=time)


def cost(**fields):
    def change(content):
        for run in runs_of(content, "evaluation"):
            run["cost"].update(fields)

    return change


def in_task(**fields):
    return lambda content: content["task"].update(fields)


def in_runs(*purposes, **fields):
    def change(content):
        for run in runs_of(content, *purposes):
            run.update(fields)

    return change


def empty_curves(content):
    for run in runs_of(content, "evaluation"):
        run["curve"] = {
            "gradient_evaluations": [], "seconds": [], "train_loss": [],
            "validation": {}, "test": {},
        }  # fmt: skip
        run["validation_score"] = run["test_score"] = 10.0
        run["time_to_target"] = run["seconds_to_target"] = None


def hyperparameter_left_out(content):
    for run in runs_of(content):
        del run["hyperparameters"]["sgd"]["lr"]


def picked(content):
    """Values inside the space that no sampler proposed."""
    last = content["replicates"][-1]
    for run in last["tuning"][1:]:
        run["hyperparameters"]["sgd"]["lr"] = 0.05
    choose(last, last["chosen"])


def in_curves(**columns):
    def change(content):
        for run in runs_of(content):
            for name, of in columns.items():
                run["curve"][name] = of(run["curve"][name])

    return change


def no_times(content):
    for run in runs_of(content, "evaluation"):
        run["curve"]["seconds"] = run["curve"]["train_loss"] = []


def one_evaluation_three_times(content):
    """With the right seeds, which the file derives from those of its replicates."""
    for number, run in enumerate(runs_of(content)):  # the untrained model depends on the seed
        run["curve"]["validation"]["loss"][0] += 1e-3 * number
    first, *others = runs_of(content, "evaluation")
    for other in others:
        for field in first.keys() - {"number", "seed", "hyperparameters"}:
            other[field] = copy.deepcopy(first[field])


def no_time_at_all(content):
    in_curves(seconds=lambda values: [0.0] * len(values))(content)
    for run in runs_of(content):
        run["cost"]["seconds"] = 0.0
        if run["seconds_to_target"] is not None:
            run["seconds_to_target"] = 0.0


def impossible_accuracy(content):
    for run in runs_of(content, "evaluation"):
        run["curve"]["test"]["accuracy"][-1] = 5.0


FORGERIES = {
    "the worst tuning trial is called chosen": (worst_chosen, r"replicates\.2\.chosen: the"),
    "ten budgets, curves and cost likewise": (budget_times_ten, r"task\.budget"),
    "curves reach three budgets": (three_budgets, "the budget is 120"),
    "curves hold only the end of the run": (last_tenth, "not at 0 before training"),
    "curves without their middle": (from_zero_but_cut, r"curve.*(before the budget|points)"),
    "hyperparameters outside the space": (outside_space, "is outside|the defaults are"),
    "trial 0 is not the defaults": (
        other_defaults, r"replicates\.1\.tuning\.0\.hyperparameters: the file"
    ),
    "seeds of nobody": (invented_seeds, r"replicates\.0\.evaluation\.0\.seed: does not derive"),
    "one replicate three times": (one_run_three_times, r"replicates\.1\.tuning\.0\.seed: does not"),
    "the direction turned": (direction, r"task\.higher_is_better: the file says True"),
    "the target moved": (target_moved, r"task\.target: the file says -1\.0"),
    "the source of no file": (in_component(source_hash="0" * 16), r"method\.sgd\.source_hash"),
    "another search space": (wider_space, r"sampler proposes|method\.sgd\.search_space"),
    "a sampler of one's own": (of_protocol(name="HandPicked"), r"protocol\.sampler"),
    "other arguments of the sampler": (of_protocol(arguments={}), r"protocol\.sampler"),
    "finished in 2999": (finished("2999-01-01T00:00:00+00:00"), "is in the future"),
    "finished before it began": (finished("2020-01-01T00:00:00+00:00"), "before the study"),
    "finished at no time": (finished("soon"), "not a time"),
    "one example, no seconds": (
        cost(examples=1.0, gradient_evaluations=0.0, seconds=0.0),
        r"evaluation\.0\.cost\.gradient_evaluations",
    ),
    "a million million charged": (
        cost(examples=32e12, gradient_evaluations=1e12),
        r"cost\.gradient_evaluations: 1e\+12 were charged",
    ),
    "examples that are not the batches": (cost(examples=17.0), "are not 17 examples"),
    "half of the charge": (
        cost(examples=60.0 * 32, gradient_evaluations=60.0, steps=60), "goes beyond them"
    ),
    "more steps than were charged": (cost(steps=100_000), r"cost\.steps: 100000 cost more"),
    "less time than the curve": (cost(seconds=0.0), r"cost\.seconds"),
    "another track": (in_task(track="full"), r"task\.track"),
    "another worst score": (in_task(worst=11.0), r"task\.worst"),
    "another code of the task": (in_task(fingerprint="ab" * 8), r"task\.fingerprint"),
    "another metric": (in_task(metric="accuracy"), "tuning"),
    "another paper": (in_component(paper="Mine, 2026"), r"method\.sgd\.paper"),
    "empty curves of completed runs": (empty_curves, "a completed run has no values"),
    "a hyperparameter is missing": (hyperparameter_left_out, "hyperparameters"),
    "configurations nobody proposed": (
        picked, r"replicates\.2\.tuning\.1\.hyperparameters: the sampler"
    ),
    "a score of one's own": (in_runs("evaluation", test_score=0.1), r"evaluation\.0\.test_score"),
    "a time to target": (in_runs(time_to_target=1.0), r"tuning\.0\.time_to_target"),
    "a loss before the first batch": (
        in_curves(train_loss=lambda values: [1.0, *values[1:]] if values else []),
        "none before the first batch",
    ),
    "evaluation runs without times": (no_times, "an evaluation run keeps them"),
    "time that runs back": (in_curves(seconds=lambda v: v[::-1]), "must not fall"),
    "work beyond the charge": (
        cost(audit={"slope": 1.5, "rest": 0.0, "example": 600.0}), "undercharged, not completed"
    ),
    "runs that nobody prunes": (in_runs("evaluation", status="pruned"), "prunes no trial"),
    "one evaluation run three times": (one_evaluation_three_times, "which has another seed"),
    "the sampler of another version": (of_protocol(version="99.9"), r"protocol\.sampler\.version"),
    "steps without time": (no_time_at_all, r"cost\.seconds: \d+ steps took no time"),
    "an accuracy of 5": (impossible_accuracy, r"curve\.test\.accuracy: an accuracy lies"),
    "no audit": (cost(audit=None), r"cost\.audit: is missing"),
    "operations of nobody": (cost(operations=1e90), r"cost\.operations: 1e\+90, the audit makes"),
    "a factor without a reason": (cost(cost_factor=1e50), r"cost\.cost_factor: 1e\+50"),
    "no data": (lambda content: content.update(data=None), "data: is missing"),
    "no code": (lambda content: content["environment"].update(code=None), r"environment\.code"),
    "no packages": (lambda c: c["environment"].update(packages={}), r"environment\.packages"),
}  # fmt: skip


def renumbered(*seeds):
    """Replicates of other seeds, and all that derives from them: lucky ones, say."""

    def change(content):
        for replicate, seed in zip(content["replicates"], seeds, strict=True):
            replicate["seed"] = seed
            for purpose in ("tuning", "evaluation"):
                for run in replicate[purpose]:
                    number = 0 if purpose == "tuning" else run["number"]
                    run["seed"] = derive(seed, purpose, number)

    return change


def fewer(content):
    content["replicates"].pop()


def fewer_and_said(content):
    fewer(content)
    content["protocol"]["replicates"] = 2


@pytest.mark.parametrize("seeds", [(0, 1, 7), (4, 5, 6), (1, 0, 2), (0, 0, 0), (0, 100, 200)])
def test_nobody_picks_replicates(honest, seeds) -> None:
    with pytest.raises(ValidationError, match=r"the seeds are .*, and must be"):
        forged(honest, renumbered(*seeds))


def test_the_replicates_are_those_of_the_result_seed(honest) -> None:
    """What follows for another result seed is another result: the proposals differ, too."""
    other = forged(honest, renumbered(300, 301, 302))
    assert other.seed == 3
    with pytest.raises(InvalidResult, match="the sampler proposes"):
        check_consistency(other)


def test_replicates_are_as_many_as_the_protocol_says(honest) -> None:
    with pytest.raises(ValidationError, match="replicates: expected 3, there are 2"):
        forged(honest, fewer)
    with pytest.raises(InvalidResult, match=r"protocol\.replicates: quick version 2 has 3"):
        check_consistency(forged(honest, fewer_and_said))


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(honest, name) -> None:
    change, reason = FORGERIES[name]
    with pytest.raises(InvalidResult, match=reason):
        check_consistency(forged(honest, change))


def test_declared_extra_work_may_complete(honest) -> None:
    def declared(factor):
        def change(content):
            cost(audit={"slope": 1.5, "rest": 0.0, "example": 600.0}, cost_factor=factor)(content)
            in_component(extra_work="a second network")(content)

        return change

    assert list(checks.extra_work_is_declared(forged(honest, declared(1.5)))) == []
    problems = list(checks.extra_work_is_declared(forged(honest, declared(1.2))))
    assert problems[0] == "replicates.0.evaluation.0.cost.cost_factor: 1.2, for 1.5 times the work"


def test_points_after_the_last_step_repeat_what_was_measured(honest) -> None:
    """A dear step that had no room left half of the budget unspent: the curve is filled up."""

    def filled(value):
        def change(content):
            for run in runs_of(content):
                run["cost"].update(examples=60.0 * 32, gradient_evaluations=60.0)
                for values in (
                    *run["curve"]["validation"].values(),
                    *run["curve"]["test"].values(),
                ):
                    values[7:] = [values[6]] * 6
                    values[-1] += value
                    assert run["curve"]["gradient_evaluations"][6] == 60.0
                for field in ("validation_score", "test_score"):
                    if run[field] is not None:
                        run[field] = run["curve"]["validation"]["loss"][-1]

        return change

    for check in (checks.curves_are_whole, checks.costs_agree, checks.scores_follow_from_curves):
        assert list(check(forged(honest, filled(0.0)))) == []
    problem, *_ = checks.costs_agree(forged(honest, filled(-0.1)))
    assert problem == (
        "replicates.0.tuning.0.cost.gradient_evaluations: 60 were charged, and the curve goes "
        "beyond them"
    )


def test_whether_a_task_is_core_may_change(honest) -> None:
    assert check_consistency(forged(honest, in_task(core=False)), ours=True) == []


def test_the_clock_of_another_machine_may_be_ahead(honest) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat(timespec="seconds")
    assert check_consistency(forged(honest, finished(soon))) == []


# -- what is not registered here ------------------------------------------------------------------


def rename_task(content):
    content["task"]["name"] = "nobodys_task"


def rename_method(content):
    content["method"]["name"] = content["method"]["components"][0]["name"] = "nobodys"
    for run in runs_of(content):
        run["hyperparameters"] = {"nobodys": run["hyperparameters"]["sgd"]}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (rename_task, "the task 'nobodys_task' is not registered"),
        (in_task(version=9000), "the task 'forged_blobs' version 9000 is not registered"),
        (rename_method, "the optimizer 'nobodys' is not registered"),
        (in_component(version=9000), "the optimizer 'sgd' version 9000 is not registered"),
    ],
)
def test_what_is_not_registered_is_noted_or_refused(honest, change, what) -> None:
    result = forged(honest, change)
    (note,) = check_consistency(result)
    assert what in note
    with pytest.raises(InvalidResult, match=what):
        check_consistency(result, ours=True)


def test_an_older_version_is_checked_against_itself(honest, monkeypatch) -> None:
    later = replace(verification.registered("task", honest.task.name), version=7)
    monkeypatch.setattr(verification, "registered", lambda kind, name: later)
    (note,) = check_consistency(forged(honest, in_task(worst=11.0)), ours=True)
    assert note == "an older version of forged_blobs: 1, here it is 7"
    with pytest.raises(InvalidResult, match="does not derive"):
        check_consistency(forged(honest, invented_seeds), ours=True)


def test_another_version_of_the_sampler_is_noted(honest) -> None:
    def change(content):
        of_protocol(version="1.0.0")(content)
        content["environment"]["packages"]["optuna"] = "1.0.0"

    (note,) = check_consistency(forged(honest, change))
    assert note.startswith("the sampler's proposals were not checked: of optuna 1.0.0, here is ")


# -- failed runs, times to target, what was published ---------------------------------------------


@pytest.mark.parametrize("status", ["diverged", "failed", "undercharged", "timeout"])
@pytest.mark.parametrize("name", ["digits", "modular_addition", "permuted_digits"])
def test_samples_hold_to_the_rules(name, status) -> None:
    result = make_result(name, "lion+sam@cosine", status=["completed", status, "completed"])
    assert [problem for check in checks.CHECKS for problem in check(result)] == []


def test_a_run_that_met_the_target_may_end_early_and_no_other() -> None:
    result = make_result("modular_addition", scores=[100.0, 200.0, 700.0])
    assert list(checks.curves_are_whole(result)) == []
    assert list(checks.points_are_those_of_the_task(result, 20)) == []
    final = make_result("digits")

    def cut(content):
        for run in runs_of(content):
            for name in ("gradient_evaluations", "seconds", "train_loss"):
                run["curve"][name] = run["curve"][name][:10]
            for split in ("validation", "test"):
                run["curve"][split] = {n: v[:10] for n, v in run["curve"][split].items()}

    short = forged(final, cut)
    assert len(list(checks.curves_are_whole(short))) == 21
    assert len(list(checks.points_are_those_of_the_task(short, 20))) == 21


def published() -> list[tuple[Path, Result]]:
    stored, invalid = read_folder(ROOT / "results")
    assert invalid == []
    return [(item.path, item.result) for item in stored]


def of_schema_1() -> tuple[Path, Result]:
    """A file that was published once, of a task whose score is a mean."""
    path = ROOT / "tests" / "files" / "schema_1.json"
    assert json.loads(path.read_text())["schema_version"] == 1
    return path, read(path)


def test_no_published_result_is_refused(monkeypatch) -> None:
    """Also where the next version of its task is registered by now."""

    def later(kind, name):
        entry = registry.get(kind, name)
        return replace(entry, version=entry.version + 1) if kind == "task" else entry

    monkeypatch.setattr(verification, "registered", later)
    refused = {}
    for path, result in [*published(), of_schema_1()]:
        try:
            check_consistency(result, ours=True)
        except InvalidResult as error:
            refused[path.name] = str(error)
    assert refused == {}


def test_a_file_of_schema_1_cannot_be_of_todays_tasks(monkeypatch) -> None:
    path, result = of_schema_1()
    here = replace(registry.get("task", result.task.name), version=result.task.version)
    monkeypatch.setattr(verification, "registered", lambda kind, name: here)
    with pytest.raises(InvalidResult, match="schema_version: 1 is older than version"):
        check_consistency(read(path))


def test_a_mean_of_schema_1_is_over_points(honest) -> None:
    _, result = of_schema_1()
    assert result.task.score == "mean"
    run = result.evaluation_runs[0]
    values = run.curve.test[result.task.metric]
    assert run.test_score == pytest.approx(sum(values) / len(values), rel=1e-5)
    assert list(checks.scores_follow_from_curves(result)) == []


def test_a_real_study_is_believed(tmp_path) -> None:
    result = suite.run("sgd", TINY, jobs=1, results=tmp_path, protocol="quick")
    assert result.evaluation_runs[0].curve.gradient_evaluations[0] == 0
    assert check_consistency(result) == []
    assert [replicate.seed for replicate in result.replicates] == [0, 1, 2]
    assert result.evaluation_runs[1].seed == derive(1, "evaluation", 0)
    assert result.environment.cpu_capability
    assert result.environment.code
