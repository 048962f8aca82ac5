"""Diagnostics of a result: its runs repeat to the bit, and its numbers stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suite.components import registry
from suite.components.method import make_method
from suite.errors import SuiteError, UsageError
from suite.execution.inline import InlineExecutor
from suite.results import files as results
from suite.results.verification import check_consistency
from suite.studies import probing
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.probing import Wanted, find_diagnostics, probe
from suite.studies.protocol import get_protocol
from suite.studies.run_studies import Silent, run_studies
from tests.commands import TINY, suite

FILE = """from suite import diagnostic

def {name}(probe):
    return float(probe.flat(dict(probe.parameters)).norm()) * {factor}

diagnostic("{name}", {name}, paper="p", url="u", unit="norm", cost=0)
"""


def written(folder: Path, name: str = "weights", factor: int = 1) -> Path:
    path = folder / f"{name}.py"
    path.write_text(FILE.format(name=name, factor=factor))
    return path


def make(folder: Path, protocol: str = "quick") -> Plan:
    settings = {"seed": 0, "device": "cpu", "threads": 1, "data": folder, "results": folder}
    return make_plan(make_method("adamw"), find_task(TINY), get_protocol(protocol), **settings)


def finished(plan: Plan) -> results.Result:
    return run_studies([plan], InlineExecutor(), 1, Silent())[0]


@pytest.fixture(autouse=True)
def forgotten():
    """Diagnostics of one test's files are not known to the next."""
    registry.names("diagnostic")
    yield
    for name in ("weights", "others", "broken", "one", "one_a"):
        registry.forget("diagnostic", name)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The text of a result without diagnostics."""
    folder = tmp_path_factory.mktemp("before")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUITE_HOME", str(folder / "home"))
        plan = make(folder)
        finished(plan)
        return plan.result_path()[0].read_text()


@pytest.fixture
def plan(tmp_path, monkeypatch, before):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    found = make(tmp_path)
    path = found.result_path()[0]
    path.parent.mkdir(parents=True)
    path.write_text(before)
    return found


def looked(plan: Plan, *paths: Path, points: int = 3, say=lambda text: None) -> results.Result:
    there = plan.result_path()[1]
    wanted = Wanted(plan, there, tuple(find_diagnostics(map(str, paths))), points)
    return probe(wanted, InlineExecutor(), 1, say)


def test_a_result_is_completed_and_its_numbers_stay(plan, tmp_path, before):
    path, there = plan.result_path()
    found = looked(plan, written(tmp_path))
    assert results.read(path) == found
    assert found.comparable() == there.comparable()
    assert plan.finished() is not None
    for was, now in zip(there.replicates, found.replicates, strict=True):
        assert was.tuning == now.tuning
        for run, probed in zip(was.evaluation, now.evaluation, strict=True):
            kept = probed.curve.model_copy(update={"diagnostics": {}})
            assert probed.model_copy(update={"curve": kept}) == run
            values = probed.curve.diagnostics["weights"]
            assert len(values) == len(run.curve.gradient_evaluations)
            assert [at for at, value in enumerate(values) if value is not None] == [0, 6, 12]
    (record,) = found.diagnostics
    assert (record.name, record.columns, record.notes) == ("weights", {"weights": "norm"}, {})
    assert record.seconds > 0
    check_consistency(found)
    # Only what was added differs in the file.
    content = json.loads(path.read_text())
    assert content.pop("diagnostics")
    for replicate in content["replicates"]:
        for run in replicate["evaluation"]:
            assert run["curve"].pop("diagnostics")
            run["curve"]["diagnostics"] = {}
    old = json.loads(before)
    del content["digest"], old["digest"]
    assert content == old


def test_without_diagnostics_a_file_has_no_word_of_them(before):
    assert '"diagnostics": [' not in before
    assert "notes" not in json.loads(before)


def test_what_has_looked_does_not_look_again_and_an_edited_one_does(plan, tmp_path):
    file = written(tmp_path)
    first = looked(plan, file)
    said = []
    assert looked(plan, file, say=said.append) == first
    assert said == ["adamw on tiny_blobs: has these diagnostics already"]
    second = looked(plan, file, written(tmp_path, "others", 2))
    assert [record.name for record in second.diagnostics] == ["weights", "others"]
    run = second.evaluation_runs[0].curve.diagnostics
    assert run["weights"] == first.evaluation_runs[0].curve.diagnostics["weights"]
    assert run["others"][0] == pytest.approx(2 * run["weights"][0], rel=1e-3)
    third = looked(plan, written(tmp_path, "weights", 3))
    now = third.evaluation_runs[0].curve.diagnostics
    assert now["weights"][0] == pytest.approx(3 * run["weights"][0], rel=1e-3)
    assert now["others"] == run["others"]


def test_a_run_that_does_not_repeat_leaves_the_file(plan, tmp_path):
    path, there = plan.result_path()
    content = there.model_dump(mode="json", exclude={"digest", "schema_version"})
    content["replicates"][1]["evaluation"][0]["curve"]["test"]["loss"][4] += 1e-5
    results.write(results.seal(content), path)
    text = path.read_text()
    with pytest.raises(SuiteError, match=r"replicate 1 did not repeat: curve.test.loss.4 is"):
        looked(plan, written(tmp_path))
    assert path.read_text() == text


def test_an_interrupted_call_is_resumed(plan, tmp_path, monkeypatch):
    file, ran = written(tmp_path), []
    compare = probing._compare

    def interrupting(wanted, job, outcome):
        ran.append(job.key)
        if len(ran) == 2:
            raise KeyboardInterrupt
        compare(wanted, job, outcome)

    monkeypatch.setattr(probing, "_compare", interrupting)
    with pytest.raises(KeyboardInterrupt):
        looked(plan, file)
    assert plan.result_path()[1].diagnostics == []
    found = looked(plan, file)
    assert len(ran) == 1 + len(found.evaluation_runs)
    assert len(set(ran)) == len(found.evaluation_runs)
    assert not list((tmp_path / "home" / "probes").rglob("*.json"))


def test_a_failing_diagnostic_is_named_in_the_result(plan, tmp_path):
    file = tmp_path / "broken.py"
    file.write_text(FILE.format(name="broken", factor="[].index(3)"))
    said = []
    found = looked(plan, file, written(tmp_path), say=said.append)
    notes = found.diagnostics[0].notes
    assert set(notes) == {"0.0", "1.0", "2.0"}
    assert "broken.py failed at evaluation 0: ValueError" in notes["0.0"]
    assert any("broken: run 0.0: broken.py failed" in line for line in said)
    assert found.evaluation_runs[0].curve.diagnostics["weights"]
    assert check_consistency(found) is not None


def test_two_with_one_column_are_refused(tmp_path):
    for name, unit in (("one_a", "'x'"), ("one", "{'a': 'x'}")):
        (tmp_path / f"{name}.py").write_text(
            "from suite import diagnostic\n"
            f"diagnostic('{name}', abs, paper='p', url='u', unit={unit}, cost=0)\n"
        )
    with pytest.raises(UsageError, match="two diagnostics have the column 'one_a'"):
        find_diagnostics([str(tmp_path / "one.py"), str(tmp_path / "one_a.py")])


def test_groups_and_names(tmp_path):
    everything = find_diagnostics(["all"])
    assert [d.name for d in everything] == registry.names("diagnostic")
    cheap = find_diagnostics(["cheap"])
    assert {d.name for d in cheap} == {d.name for d in everything if d.cheap}
    with pytest.raises(UsageError, match="Did you mean 'layer_rotation'"):
        find_diagnostics(["layer_rotatoin"])
    with pytest.raises(UsageError, match="registers no diagnostic"):
        find_diagnostics([TINY])


def test_the_command_line_runs_and_looks(tmp_path):
    file = written(tmp_path)
    command = ["run", "-o", "adamw", "-t", TINY, "-p", "smoke", "--probe-points", "2"]
    command += ["--probe", str(file), "--results", str(tmp_path / "r"), "-j", "2"]
    done = suite(*command, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    result = results.read(tmp_path / "r" / "tiny_blobs" / "adamw.smoke.json")
    values = result.evaluation_runs[0].curve.diagnostics["weights"]
    assert [value is None for value in values] == [False] + [True] * (len(values) - 2) + [False]
    again = suite(*command, home=tmp_path / "home")
    assert again.returncode == 0, again.stderr
    assert "has these diagnostics already" in again.stdout
