"""Studies in this process: what is kept, what runs again, and where the result goes."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import suite
from suite.cli import cli
from suite.components import registry
from suite.components.method import make_method
from suite.errors import StudyStopped, SuiteError, UsageError
from suite.execution.executor import Job, lost
from suite.results import environment
from suite.results import files as results
from suite.results.model import MethodRecord, Result
from suite.studies.elements import element_of, text_of
from suite.studies.journal import Journal, line_of
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from suite.studies.records import method_record
from suite.studies.storage import StudyStorage
from suite.studies.study import Study
from suite.training.loop import run_trial
from suite.training.trial import Outcome
from tests.commands import TINY


@pytest.fixture
def plan(tmp_path: Path, monkeypatch) -> Plan:
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    return make(tmp_path)


def make(folder: Path, method: str = "sgd", protocol: str = "quick", seed: int = 0) -> Plan:
    settings = {"seed": seed, "device": "cpu", "threads": 1, "data": folder, "results": folder}
    return make_plan(make_method(method), find_task(TINY), get_protocol(protocol), **settings)


def run(plan: Plan) -> tuple[Result, list[tuple[int, str, int]], Study]:
    """The result, the trials that were run for it, and the study."""
    ran = []
    with StudyStorage(plan.journal, plan.direction, plan.space) as storage:
        study = Study(plan, storage, plan.result_path()[0])
        while (job := study.next_job()) is not None:
            study.take(job, run_trial(job.trial))
            ran.append((*job.trial.series, job.trial.number))
    assert study.result is not None
    return study.result, ran, study


def rewrite(plan: Plan, change) -> None:
    """Change the entries of a study's journal, as if that had happened; its result is lost."""
    entries = change(Journal(plan.journal).entries)
    plan.journal.write_bytes(b"".join(map(line_of, entries)))
    plan.result_path()[0].unlink()


def test_a_lost_outcome_is_run_again_and_the_rest_is_kept(plan):
    first, ran, _ = run(plan)
    assert len(ran) == len(set(ran)) == 21
    rewrite(plan, lambda es: [e for e in es if e.get("finished") != [1, "tuning", 2]])
    second, ran, study = run(plan)
    assert ran == [(1, "tuning", 2)]
    assert study.resumed == 20
    assert second.comparable() == first.comparable()


def test_a_damaged_line_is_said_once_and_the_study_goes_on(plan):
    first, _, _ = run(plan)
    lines = plan.journal.read_bytes().splitlines(keepends=True)
    spoilt = next(i for i, line in enumerate(lines) if b'"finished":[1,"evaluation",0]' in line)
    lines[spoilt] = lines[spoilt].replace(b'"status":"completed"', b'"status":"completes"')
    plan.journal.write_bytes(b"".join(lines))
    plan.result_path()[0].unlink()
    second, ran, study = run(plan)
    assert ran == [(1, "evaluation", 0)]
    assert study.damage.startswith(f"{plan.journal} was damaged: 1 line moved")
    assert second.comparable() == first.comparable()
    plan.result_path()[0].unlink()
    assert run(plan)[2].damage is None


def test_what_followed_from_an_outcome_that_came_out_differently_runs_again(plan):
    first, _, _ = run(plan)
    chosen = first.replicates[1].chosen
    assert 0 <= chosen < 6

    def other_outcome(entries):
        for entry in entries:
            if entry.get("finished") == [1, "tuning", chosen]:
                entry["run"]["validation_score"] = 1.09
        return entries

    rewrite(plan, other_outcome)
    second, ran, _ = run(plan)
    again = second.replicates[1]
    assert again.chosen != chosen
    assert ran == [(1, "evaluation", 0)]
    assert again.evaluation[0].hyperparameters == again.chosen_run.hyperparameters
    assert [second.replicates[n] for n in (0, 2)] == [first.replicates[n] for n in (0, 2)]


def test_hyperparameters_that_differ_in_the_last_digits_are_the_same_trial(plan):
    """Another processor's sampler may round differently."""
    run(plan)

    def rounded(entries):
        for entry in entries:
            if "hyperparameters" in entry and "tuning" in entry.get("planned", ()):
                flat = entry["hyperparameters"]
                entry["hyperparameters"] = {k: v * (1 + 1e-14) for k, v in flat.items()}
        return [e for e in entries if e.get("finished") != [0, "tuning", 3]]

    kept = [e["hyperparameters"] for e in Journal(plan.journal).entries if "finished" in e]
    rewrite(plan, rounded)
    _, ran, _ = run(plan)
    assert ran == [(0, "tuning", 3)]
    assert len(kept) == 21


@pytest.mark.parametrize("obstacle", ["dangling link", "folder", "pipe"])
def test_what_takes_the_place_of_the_result_is_found_before_anything_runs(plan, obstacle):
    path, there = plan.result_path()
    assert there is None
    path.parent.mkdir(parents=True)
    if obstacle == "dangling link":
        path.symlink_to(path.parent / "no_such_file.json")
    elif obstacle == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(UsageError, match=f"{path} is ") as caught:
        plan.finished()
    assert "first" in str(caught.value), "it says what to do"


def test_what_a_kill_left_in_the_middle_of_a_write_is_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    plan = make(tmp_path, protocol="smoke")
    folder = plan.result_path()[0].parent
    folder.mkdir(parents=True)
    mine, other = folder / ".sgd.smoke.json.abc.part", folder / ".sgd.quick.json.def.part"
    for path in (mine, other):
        path.write_text("half")
    run(plan)
    assert list(folder.glob(".*.part")) == []


def test_a_full_disk_keeps_the_trials_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    plan = make(tmp_path, protocol="smoke")

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(results, "write", full)
        with pytest.raises(SuiteError, match=r"no space left in .*tiny_blobs"):
            run(plan)
    _, ran, study = run(plan)
    assert ran == []
    assert study.resumed == 2


def test_other_code_of_a_task_or_method_is_another_study(plan, tmp_path):
    result, _, _ = run(plan)
    assert plan.why_own_name() is None
    assert plan.finished() == result
    task, sgd = plan.task, plan.method.components[0]
    path = tmp_path / "tiny_task.py"
    path.write_text(Path(TINY).read_text().replace("+ noise", "+ 2 * noise"))
    with registry.separate():
        edited = registry.load_file(path)[0]
    for other, reason in (
        (replace(plan, task=edited), "made by other code of task 'tiny_blobs'"),
        (replace(plan, task=replace(task, version=2)), "task 'tiny_blobs' version 1, now 2"),
        (
            replace(plan, method=type(plan.method)((replace(sgd, source_hash="0" * 16),))),
            "made by other code of optimizer 'sgd'",
        ),
        (replace(plan, seed=1), "seed 0, now 1"),
        (replace(plan, threads=2), "threads 1, now 2"),
    ):
        assert other.finished() is None
        assert other.result_path()[0] != plan.result_path()[0]
        assert other.journal != plan.journal
        assert reason in other.why_own_name()
        assert str(plan.result_path()[0]) in other.why_own_name()


def test_what_may_just_be_declared_makes_a_record(tmp_path):
    """The limits of a declaration are not above those of a result."""
    path = tmp_path / "limits.py"
    path.write_text(
        "from suite import optimizer, search\ndef build(params, **settings): pass\n"
        "space = {f'a{i}': search.uniform(-9e99, 9e99, default=0) for i in range(195)}\n"
        "space['many'] = search.choice(*range(1000), default=0)\n"
        "space['long'] = search.choice('x' * 200, default='x' * 200)\n"
        "space['whole'] = search.integer(1 - 2**63, 2**63 - 1, default=0)\n"
        "space['tiny'] = search.log_uniform(1e-300, 1, default=1e-300)\n"
        "space['mixed'] = search.choice(True, 2, 2.5, 'a', default=True)\n"
        "optimizer('limits', build, paper='p' * 2000, url='u' * 2000, search=space,\n"
        "    version=10_000, summary='s' * 2000, authors=['a' * 200] * 200, extra_work='e')\n"
    )
    method = make_method(str(path))
    record = method_record(method)
    assert MethodRecord.model_validate_json(record.model_dump_json()) == record
    assert len(record.components[0].search_space) == 200


def test_a_method_of_a_notebook_says_what_to_do(plan):
    namespace = {"__name__": "a_notebook"}
    exec("def build(params): return None", namespace)
    with registry.separate():
        registry.optimizer("cell", namespace["build"], paper="-", url="")
        cell = make_method("cell")
    with pytest.raises(UsageError, match=r"optimizer 'cell' was declared in a notebook .* a file"):
        make_plan(
            cell, plan.task, plan.rules, seed=0, device="cpu", threads=1,
            results=plan.results, data=plan.data,
        )  # fmt: skip


def test_trials_are_audited_with_the_defaults_and_with_what_was_chosen(plan):
    """Behind the field that the audit needs."""
    chosen = {"sgd": {"lr": 0.5}}
    if "audited" in type(plan.trial(0, "tuning", 0, chosen)).__dataclass_fields__:
        assert plan.trial(0, "tuning", 1, chosen).audited == plan.method.defaults
        assert plan.trial(0, "evaluation", 1, chosen).audited == chosen
    assert plan.trial(0, "evaluation", 1, chosen).hyperparameters == chosen


@pytest.mark.parametrize("seed", [-3, 2**63 // 100, 1.5, True, "0"])
def test_a_seed_that_no_result_could_hold_is_refused_at_once(tmp_path, seed):
    with pytest.raises(UsageError, match="seed is a whole number from 0 to 92233720368547757, not"):
        make(tmp_path, seed=seed)


def test_numbers_that_no_study_could_run_with_are_refused_at_once(tmp_path):
    with pytest.raises(UsageError, match="threads is a whole number from 1"):
        suite.run("sgd", TINY, threads=0, results=tmp_path)
    with pytest.raises(UsageError, match="jobs=0: at least 1 trial at a time"):
        suite.run("sgd", TINY, jobs=0, results=tmp_path)


def test_the_largest_seed_has_room_for_its_replicates(tmp_path):
    seed = 2**63 // 100 - 1
    plan = make(tmp_path, seed=seed)
    assert [plan.replicate_seed(number) for number in (0, 99)] == [100 * seed, 100 * seed + 99]
    assert plan.replicate_seed(99) < 2**63


def test_replicates_of_a_longer_protocol_begin_with_those_of_a_shorter_one(tmp_path):
    """So that the trials of `quick` are among those of `standard`."""
    quick, standard = (make(tmp_path, protocol=name, seed=2) for name in ("quick", "standard"))
    for number, expected in enumerate((200, 201, 202)):
        assert quick.replicate_seed(number) == standard.replicate_seed(number) == expected
    flat = {"sgd": {"lr": 0.5}}
    of_both = [
        {plan.trial(r, purpose, n, flat).seed for r in range(3) for purpose, n in TRIALS}
        for plan in (quick, standard)
    ]
    assert of_both[0] == of_both[1]
    assert len(of_both[0]) == 6, "one for tuning and one for the evaluation of each replicate"


TRIALS = (("tuning", 0), ("tuning", 5), ("evaluation", 0))


def test_no_replicate_waits_for_another(plan):
    """While one trial of a replicate runs, the others end: their evaluations are ready."""
    with StudyStorage(plan.journal, plan.direction, plan.space) as storage:
        study = Study(plan, storage, plan.result_path()[0])
        slow = study.next_job()
        assert slow.trial.series == (0, "tuning")
        ended = []
        while (job := study.next_job()) is not None:
            study.take(job, run_trial(job.trial))
            ended.append((*job.trial.series, job.trial.number))
        assert study.result is None
        assert {(1, "evaluation", 0), (2, "evaluation", 0)} <= set(ended)
        assert (0, "evaluation", 0) not in ended
        study.take(slow, run_trial(slow.trial))
        last = study.next_job()
        assert (*last.trial.series, last.trial.number) == (0, "evaluation", 0)
        study.take(last, run_trial(last.trial))
    assert study.result is not None
    assert study.result.comparable() == run(make_anew(plan))[0].comparable()


def make_anew(plan: Plan) -> Plan:
    """The same study without the trials that are kept."""
    plan.journal.unlink()
    plan.result_path()[0].unlink()
    return plan


def fails(job: Job, *, trace: str | None = "Traceback", reason: str = "ValueError: no") -> Outcome:
    return lost(job, "failed", reason, progress=0.0, seconds=1.0, traceback=trace)


def test_a_kept_first_trial_that_raised_stops_a_later_run_without_keep_going(plan):
    with StudyStorage(plan.journal, plan.direction, plan.space) as storage:
        study = Study(plan, storage, plan.result_path()[0])
        job = study.next_job()
        study.take(job, fails(job))
    with StudyStorage(plan.journal, plan.direction, plan.space) as storage:
        study = Study(plan, storage, plan.result_path()[0], keep_going=False)
    assert isinstance(study.stopped, StudyStopped)
    assert study.next_job() is None


def test_only_an_error_of_the_first_trial_stops_a_study(plan):
    for status, trace, stops in (
        ("failed", "Traceback", True),
        ("failed", None, False),
        ("diverged", None, False),
        ("out_of_memory", "Traceback", False),
    ):
        with StudyStorage(plan.journal, plan.direction, plan.space) as storage:
            study = Study(plan, storage, plan.result_path()[0], keep_going=False)
            job = study.next_job()
            outcome = lost(job, status, "why", progress=0.0, seconds=1.0, traceback=trace)
            study.take(job, outcome)
            assert (study.stopped is not None) == stops
        plan.journal.unlink()


def test_a_first_step_that_smoke_cannot_pay_for_names_another_protocol(tmp_path):
    plan = make(tmp_path, protocol="smoke")
    with StudyStorage(plan.journal, plan.direction, plan.space) as storage:
        study = Study(plan, storage, plan.result_path()[0], keep_going=False)
        job = study.next_job()
        study.take(job, fails(job, reason="RuntimeError: more than the whole budget of 10"))
    assert "The protocol smoke gives a 20th of the budget: try --protocol quick." in str(
        study.stopped
    )


def interrupted(plan: Plan, trials: int) -> None:
    """Run so many trials of a study, and no more."""
    with StudyStorage(plan.journal, plan.direction, plan.space) as storage:
        study = Study(plan, storage, plan.result_path()[0])
        for _ in range(trials):
            job = study.next_job()
            study.take(job, run_trial(job.trial))


def test_a_study_goes_on_only_on_the_kind_of_machine_it_began_on(tmp_path, monkeypatch):
    """As an element that Slurm puts back and starts on another node."""
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    plan = make(tmp_path, protocol="quick")
    path, said = tmp_path / "elements.jsonl", plan.journal.with_suffix(".progress")
    path.write_text(text_of([element_of(plan, keep_going=False)]))
    mine, arguments = environment.cpu_name(), ["run", "--elements", str(path), "--element", "0"]
    interrupted(plan, 3)
    before = plan.journal.read_bytes()

    monkeypatch.setattr(environment, "cpu_name", lambda: "Another CPU (model 7)")
    done = CliRunner().invoke(cli, [*arguments, "--jobs", "0"], standalone_mode=False)
    assert done.return_value == 1
    assert "sgd on tiny_blobs stopped: 3 of its 21 trials ran on another kind of" in done.stderr
    assert f"cpu: {mine}, now Another CPU (model 7)" in done.stderr
    assert "another kind of machine" in said.read_text()  # which the coordinator shows
    assert plan.journal.read_bytes() == before
    assert plan.finished() is None

    monkeypatch.setattr(environment, "cpu_name", lambda: mine)
    result, ran, _ = run(plan)
    assert len(ran) == 18
    assert result.environment.cpu == mine


def test_a_study_without_a_finished_trial_begins_on_any_machine(plan, monkeypatch):
    interrupted(plan, 0)
    monkeypatch.setattr(environment, "cpu_name", lambda: "Another CPU (model 7)")
    result, ran, _ = run(plan)
    assert len(ran) == 21
    assert result.environment.cpu == "Another CPU (model 7)"


def test_a_study_that_only_lacks_its_file_is_concluded_anywhere(plan, monkeypatch):
    first, _, _ = run(plan)
    plan.result_path()[0].unlink()
    monkeypatch.setattr(environment, "cpu_name", lambda: "Another CPU (model 7)")
    second, ran, _ = run(plan)
    assert (ran, second.environment.cpu) == ([], first.environment.cpu)
