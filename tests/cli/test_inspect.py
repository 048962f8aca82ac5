"""`suite list`, `show` and `new`."""

from __future__ import annotations

import json
import re
import shlex
import statistics
import sys
from pathlib import Path

import click
import pytest

from suite.cli import _exit_code
from suite.components import registry
from suite.components.discovery import BrokenFile
from suite.training.loop import run_trial
from suite.training.trial import Trial
from suite.words import in_words
from tests.commands import TINY, suite
from tests.samples import make_result, write_results


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = _exit_code(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("kind", registry.KINDS)
def test_list_names_everything(capsys, kind: str) -> None:
    code, out, _ = run(capsys, "list", f"{kind}s")
    header, *rows = out.splitlines()
    assert code == 0
    assert header.startswith("name")
    listed = [row.split()[0] for row in rows]
    assert sorted(listed) == registry.names(kind)
    if kind != "task":
        assert listed == sorted(listed)
    summary = header.index("summary")
    assert all(row[summary - 1] == " " and row[summary] != " " for row in rows)


def test_tasks_are_listed_by_family(capsys) -> None:
    _, out, _ = run(capsys, "list", "tasks")
    header, *rows = out.splitlines()
    assert header.split()[:3] == ["name", "family", "track"]
    listed = [tuple(reversed(row.split()[:2])) for row in rows]
    assert listed == sorted(listed)
    # Other tests of this process may have declared tasks of their own.
    assert len({family for family, _ in listed} - {"other"}) == 5


def test_list_is_a_table_on_a_terminal(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = run(capsys, "list", "schedules")
    assert code == 0
    assert "cosine" in out
    assert max(len(click.unstyle(line)) for line in out.splitlines()) <= 60


def test_list_reports_broken_files_and_lists_the_rest(capsys, monkeypatch) -> None:
    whole = registry.load_all("schedule")[0]
    broken = BrokenFile("some/where.py", "SyntaxError: line 3")
    monkeypatch.setattr(registry, "load_all", lambda kind: (whole, [broken]))
    code, out, err = run(capsys, "list", "schedules")
    assert code == 1
    assert "cosine" in out
    assert "some/where.py: SyntaxError: line 3" in err


def test_show_component(capsys) -> None:
    code, out, _ = run(capsys, "show", "lion")
    component = registry.get("optimizer", "lion")
    assert code == 0
    for expected in (component.paper, component.url, str(component.path), "lr", "weight_decay"):
        assert expected in out
    assert str(component.search["lr"]) in out


def test_show_task(capsys) -> None:
    code, out, _ = run(capsys, "show", "modular_addition_short")
    task = registry.get("task", "modular_addition_short")
    weights = sum(p.numel() for p in task.problem.model().parameters())
    assert code == 0
    for expected in (
        f"{weights:,} weights",
        f"{task.budget:,} examples = {task.gradient_evaluations:,.0f} gradient evaluations",
        f"accuracy at least {task.target:g}, held for {task.score.hold} evaluations",
        task.source,
        task.fingerprint,
        "none: generated",
        "algorithmic",
        "mini, core: it counts for the track's ranking",
        "adamw over sgd",
    ):
        assert expected in out


def test_show_says_when_less_is_better_and_what_data_is_needed(capsys) -> None:
    _, out, _ = run(capsys, "show", "digits")
    assert "loss at most" in out
    assert "lower is better" in out
    _, out, _ = run(capsys, "show", "cifar10")
    assert registry.get("task", "cifar10").problem.needs in out


def test_show_says_what_is_a_stream_and_what_has_no_contrast(capsys) -> None:
    lines = {}
    for name in ("split_digits", "cifar10_resnet18"):
        _, out, _ = run(capsys, "show", name)
        lines[name] = dict(line.split(maxsplit=1) for line in out.splitlines()[2:])
    assert lines["split_digits"]["stream"] == "yes: tasks that follow one another"
    assert lines["split_digits"]["contrast"] == "muon over lion"
    assert lines["split_digits"]["family"] == "continual"
    assert lines["cifar10_resnet18"]["stream"] == "no"
    assert lines["cifar10_resnet18"]["contrast"] == "none declared"
    assert lines["cifar10_resnet18"]["track"] == "full"


def test_show_file(capsys) -> None:
    code, out, _ = run(capsys, "show", TINY)
    assert code == 0
    assert "task tiny_blobs" in out


def test_show_name_of_several_kinds_shows_all(capsys, tmp_path: Path) -> None:
    file = tmp_path / "twice.py"
    file.write_text(
        "from suite import regularizer, schedule\n"
        "regularizer('twice', dict, paper='p', url='u', summary='one')\n"
        "schedule('twice', lambda progress: 1.0, paper='p', url='u', summary='two')\n"
    )
    code, out, _ = run(capsys, "show", str(file))
    assert code == 0
    assert "regularizer twice" in out
    assert "schedule twice" in out
    assert out.count("no hyperparameters") == 2


def test_show_unknown_name_suggests(capsys) -> None:
    code, _, err = run(capsys, "show", "adamww")
    assert code == 2
    assert re.search("Did you mean [^?]*'adamw'", err)


@pytest.mark.parametrize("kind", [kind for kind in registry.KINDS if kind != "rule"])
def test_new_file_trains_at_once(capsys, tmp_path: Path, kind: str) -> None:
    name = f"fresh_{kind}"
    code, out, _ = run(capsys, "new", kind, name, "--directory", str(tmp_path / "made"))
    path = tmp_path / "made" / f"{name}.py"
    assert code == 0
    entry, *others = registry.load_file(path)
    assert (entry.kind, entry.name, others) == (kind, name, [])
    (tiny,) = registry.load_file(TINY)
    of_a_method = kind not in ("task", "diagnostic")
    components = {"optimizer": "sgd"} | ({kind: name} if of_a_method else {})
    trial = Trial(
        name if kind == "task" else tiny.name,
        tuple(components.items()),
        {n: registry.get(k, n).defaults for k, n in components.items()},
        0,
        1,
        "evaluation",
        probes=(name,) if kind == "diagnostic" else (),
        probe_points=2,
    )
    outcome = run_trial(trial)
    if kind == "diagnostic":
        assert outcome.probed.notes == {}
        assert outcome.probed.columns[name][-1] > 0
    assert outcome.run.status == "completed", outcome.run.reason
    curve = next(iter(outcome.run.curve.test.values()))
    assert curve[-1] < curve[0]
    command = shlex.split(out.splitlines()[-1])
    assert command[:2] == ["suite", "run"]
    assert str(path) in command


def test_a_new_rule_can_be_decided_at_once(capsys, tmp_path: Path) -> None:
    code, out, _ = run(capsys, "new", "rule", "fresh_rule", "--directory", str(tmp_path))
    path = tmp_path / "fresh_rule.py"
    assert code == 0
    assert shlex.split(out.splitlines()[-1]) == ["suite", "transfer", str(path), "--run"]
    code, out, _ = run(capsys, "transfer", str(path), "--results", str(tmp_path), "--json")
    (one,) = json.loads(out)["rules"]
    assert (code, one["rule"], one["verdict"]) == (0, "fresh_rule", "not run")
    assert one["predicted_factor"] == 2.0
    code, out, _ = run(capsys, "show", str(path))
    assert code == 0
    assert one["base"] in out
    assert one["size"] in out


def test_new_prints_a_command_that_works(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = suite("new", "optimizer", "fresh", home=home, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    command = shlex.split(made.stdout.splitlines()[-1])
    done = suite(*command[1:], home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "results").rglob("fresh.smoke.json"))


def test_new_never_overwrites(capsys, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("precious")
    code, _, err = run(capsys, "new", "schedule", "mine", "--directory", str(tmp_path))
    assert code == 2
    assert "exists already" in err
    assert (tmp_path / "mine.py").read_text() == "precious"


@pytest.mark.parametrize("name", ["Bad", "a-b", "../x", "", "9lives", "a__b"])
def test_new_refuses_what_is_no_name(capsys, tmp_path: Path, name: str) -> None:
    code, _, err = run(capsys, "new", "task", name, "--directory", str(tmp_path))
    assert code == 2
    assert "is not a name" in err
    assert list(tmp_path.iterdir()) == []


def test_new_refuses_a_name_that_is_taken(capsys, tmp_path: Path) -> None:
    code, _, err = run(capsys, "new", "optimizer", "adamw", "--directory", str(tmp_path))
    assert code == 2
    assert "suite show adamw" in err


def test_list_takes_one_or_many_and_says_what_is_near(capsys) -> None:
    assert run(capsys, "list", "schedule") == run(capsys, "list", "schedules")
    code, _, err = run(capsys, "list", "taks")
    assert code == 2
    assert "Did you mean 'task" in err


def test_list_chooses_tasks_and_prints_names_only(capsys) -> None:
    tasks, _ = registry.load_all("task")
    code, out, _ = run(capsys, "list", "tasks", "-q", "--track", "mini", "--core")
    assert code == 0
    assert sorted(out.split()) == sorted(t.name for t in tasks if t.core and t.track == "mini")
    code, out, _ = run(capsys, "list", "tasks", "-q", "--family", "vision")
    assert sorted(out.split()) == sorted(t.name for t in tasks if t.family == "vision")
    code, _, err = run(capsys, "list", "tasks", "--family", "visoin")
    assert code == 2
    assert "Did you mean 'vision'" in err
    code, _, err = run(capsys, "list", "optimizers", "--core")
    assert code == 2
    assert "choose among tasks" in err


def test_a_narrow_list_keeps_whole_names(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, "list", "tasks")
    header, *rows = click.unstyle(out).splitlines()
    *rows, last = rows
    assert max(map(len, [header, *rows])) <= 80
    assert sorted(row.split()[0] for row in rows) == registry.names("task")
    assert last.startswith("Not shown: data, ")


def test_list_and_show_as_json(capsys) -> None:
    code, out, _ = run(capsys, "list", "optimizers", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["kind"] == "optimizer"
    assert [entry["name"] for entry in found["entries"]] == registry.names("optimizer")
    assert found["broken"] == []
    _, out, _ = run(capsys, "show", "lion", "--json")
    (lion,) = json.loads(out)["entries"]
    assert lion["search"]["lr"]["kind"] == "log_uniform"
    _, out, _ = run(capsys, "show", "digits", "--json")
    (digits,) = json.loads(out)["entries"]
    assert (digits["family"], digits["higher_is_better"]) == ("vision", False)


def test_show_reads_a_result(capsys, tmp_path: Path) -> None:
    result = make_result(
        scores=[0.5, 0.6, 0.7],
        status=["completed", "failed", "failed"],
        run={"traceback": 'Traceback\n  File "mine.py", line 3, in step\n'},
    )
    (path,) = write_results(tmp_path, [result])
    code, out, _ = run(capsys, "show", str(path))
    assert code == 0
    assert "result of adamw on digits" in out
    assert f"{statistics.fmean(result.scores):.4g}, mean over 3 replicates; higher" in out
    for number, replicate in enumerate(result.replicates):
        assert f"replicate {number}" in out
        assert in_words(replicate.chosen_run.hyperparameters) in out
    assert "replicate 1 evaluation trial 0 failed: " in out
    assert out.count('File "mine.py", line 3, in step') == 1
    _, out, _ = run(capsys, "show", str(path), "--json")
    assert json.loads(out)["method"]["name"] == "adamw"
    code, _, err = run(capsys, "show", str(tmp_path / "none.json"))
    assert code == 2
    assert "no such file" in err
    path.write_text("{}")
    code, _, err = run(capsys, "show", str(path))
    assert code == 1
    assert "Traceback" not in err
