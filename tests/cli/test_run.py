"""`suite run` as a user meets it: products, skipping, other versions, missing data, exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess

import pytest

from suite.components import registry
from suite.results import files as results
from tests.commands import TINY, command, environment, suite
from tests.methods import write_method

SMOKE = ("--protocol", "smoke", "--jobs", "1")


def run(folder, *arguments):
    done = suite("run", *arguments, "--results", str(folder / "r"), home=folder / "home")
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_the_product_runs_once_and_is_skipped_afterwards(tmp_path):
    arguments = (
        *("--optimizer", "adamw", "--optimizer", "lion", "--task", TINY),
        *("--regularizer", "none", "--regularizer", "sam,label_smoothing"),
        *("--schedule", "cosine", *SMOKE),
    )
    done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "r" / "tiny_blobs").iterdir())
    assert names == [
        "adamw+sam+label_smoothing@cosine.smoke.json",
        "adamw@cosine.smoke.json",
        "lion+sam+label_smoothing@cosine.smoke.json",
        "lion@cosine.smoke.json",
    ]
    assert "4 studies, 8 trials, 1 at a time: about" in done.stdout
    assert "  chosen: lr 0.001, weight_decay 0.01; sam: rho 0.05;" in done.stdout
    assert "never ranked" in done.stdout
    before = {path: path.read_bytes() for path in (tmp_path / "r" / "tiny_blobs").iterdir()}
    again = run(tmp_path, *arguments)
    assert again.returncode == 0
    assert again.stdout.count("done already") == 4
    assert before == {path: path.read_bytes() for path in before}


def test_force_runs_again_to_the_same_result(tmp_path):
    arguments = ("--optimizer", "adamw", "--task", TINY, *SMOKE)
    run(tmp_path, *arguments)
    path = tmp_path / "r" / "tiny_blobs" / "adamw.smoke.json"
    first, written = results.read(path), path.stat().st_mtime_ns
    assert run(tmp_path, *arguments, "--force").returncode == 0
    assert path.stat().st_mtime_ns != written
    assert results.read(path).comparable() == first.comparable()


def test_another_source_or_seed_never_overwrites(tmp_path):
    method = tmp_path / "mine.py"
    source = (
        "import torch\nfrom suite import optimizer, search\n"
        "optimizer('mine', torch.optim.SGD, paper='-', url='', summary='-',\n"
        "          search={'lr': search.log_uniform(1e-3, 1.0, default=0.1)})\n"
    )
    method.write_text(source)
    arguments = ("--optimizer", str(method), "--task", TINY, *SMOKE)
    assert run(tmp_path, *arguments).returncode == 0
    folder = tmp_path / "r" / "tiny_blobs"
    first = (folder / "mine.smoke.json").read_bytes()
    method.write_text("# a comment changes nothing\n" + source)
    assert "done already" in run(tmp_path, *arguments).stdout
    method.write_text(source.replace("default=0.1", "default=0.2"))
    assert run(tmp_path, *arguments).returncode == 0
    assert run(tmp_path, *arguments, "--seed", "1").returncode == 0
    assert (folder / "mine.smoke.json").read_bytes() == first
    assert len(list(folder.glob("mine.smoke.*.json"))) == 2
    checked = suite("validate", str(tmp_path / "r"), home=tmp_path / "home")
    assert checked.returncode == 0, checked.stdout


def test_studies_side_by_side_do_not_overwrite_each_other(tmp_path):
    """The first began when no file was there; the second has taken the name when it ends."""
    hold = tmp_path / "hold"
    method = write_method(
        tmp_path,
        "waits",
        "while os.environ.get('HOLD') and Path(os.environ['HOLD']).exists():",
        "    time.sleep(0.05)",
    )
    arguments = ("--optimizer", method, "--task", TINY, *SMOKE)
    hold.touch()
    first = subprocess.Popen(
        command("run", *arguments, "--results", str(tmp_path / "r")),
        env={**environment(tmp_path / "home"), "HOLD": str(hold)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    first.stdout.readline()  # "1 study, ..." is printed just before it begins
    assert run(tmp_path, *arguments, "--seed", "1").returncode == 0
    hold.unlink()
    output = first.communicate(timeout=120)[0]
    assert first.returncode == 0, output
    folder = tmp_path / "r" / "tiny_blobs"
    assert results.read(folder / "waits.smoke.json").seed == 1
    (other,) = folder.glob("waits.smoke.*.json")
    assert results.read(other).seed == 0
    assert f"waits on tiny_blobs: wrote {other}" in output
    assert f"waits on tiny_blobs: {other}" in output


def test_a_broken_result_file_is_not_overwritten(tmp_path):
    path = tmp_path / "r" / "tiny_blobs" / "adamw.smoke.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    done = run(tmp_path, "--optimizer", "adamw", "--task", TINY, *SMOKE)
    assert done.returncode == 1
    assert "Fix, move or delete that file first" in done.stderr
    assert path.read_text() == "{}"


def test_dry_run_shows_plan_cost_and_time_and_runs_nothing(tmp_path):
    twice = ("--task", TINY, "--task", TINY, "--optimizer", "adamw")
    done = run(tmp_path, "--optimizer", "adamw", *twice, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "3 x (6 tuning trials + 1 seed), 2,520 gradient evaluations of batch 32" in done.stdout
    assert "1 of 1 studies to run, about" in done.stdout
    assert not (tmp_path / "r").exists()
    assert not list((tmp_path / "home").rglob("*.journal"))


def test_dry_run_fetches_nothing_and_says_what_would_be_needed(tmp_path):
    both = ("--optimizer", "adamw", "--task", "cifar10_mini", "--task", TINY)
    done = run(tmp_path, *both, "--data-dir", str(tmp_path / "nothing-here"), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "time unknown. CIFAR-10 was not found in" in done.stdout
    assert "`suite data fetch cifar10 --data-dir" in done.stdout
    assert "2 of 2 studies to run, about" in done.stdout
    assert "and 1 of unknown time" in done.stdout
    assert "to download" not in done.stderr
    assert not (tmp_path / "nothing-here").exists()


def test_missing_data_is_named_and_the_other_tasks_run(tmp_path):
    empty = tmp_path / "nothing-here"
    done = run(
        tmp_path,
        *("--optimizer", "adamw", "--task", "cifar10_mini", "--task", TINY, *SMOKE),
        *("--data-dir", str(empty)),
    )
    assert done.returncode == 2
    assert "cifar10_mini" in done.stderr
    assert "--data-dir" in done.stderr
    assert (tmp_path / "r" / "tiny_blobs" / "adamw.smoke.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--optimizer", "adamww", "--task", TINY), "'adamw'"),
        (("--optimizer", "adamw", "--task", "digts"), "Did you mean 'digits'"),
        (("--optimizer", "adamw"), "which task? Give --task NAME or --track"),
        (("--optimizer", "adamw", "--task", "digits", "--core"), "give --track, too"),
        (("--optimizer", "adamw", "--task", "no/such/file.py"), "no such file: no/such/file.py"),
        (("--optimizer", "adamw", "--task", TINY, "--jobs", "-1"), "-1 is not in the range x>=0"),
        (("--optimizer", "adamw", "--task", TINY, "--device", "cuda"), "torch finds no GPU here"),
        (
            ("--optimizer", "adamw", "--regularizer", "sam,sam", "--task", TINY),
            "uses each component once",
        ),
        (("--optimiser", "adamw"), "Did you mean '--optimizer'"),
        (("--optimizer", "SGD", "--task", TINY), "Did you mean 'sgd'"),
        (("--optimizer", "sgd", "--task", TINY, "--protocol", "full"), "unknown protocol 'full'"),
        (("--optimizer", "sgd", "--task", TINY, "--seed", str(2**63)), f"0<=x<={2**63 - 1}"),
    ],
)
def test_usage_errors_say_what_to_do(tmp_path, arguments, message):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_home_that_cannot_be_written_to_is_named_before_the_plan(tmp_path):
    there = {**environment(tmp_path), "HOME": "/dev/null/nobody"}
    for name in ("SUITE_HOME", "XDG_CACHE_HOME"):
        there.pop(name, None)
    arguments = ("--optimizer", "sgd", "--task", TINY, *SMOKE, "--results", str(tmp_path / "r"))
    done = subprocess.run(
        command("run", *arguments), env=there, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    assert "SUITE_HOME" in done.stderr
    assert "/dev/null/nobody" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_output_in_an_encoding_that_lacks_a_character(tmp_path):
    arguments = ("--optimizer", "sgd", "--task", TINY, *SMOKE, "--results", str(tmp_path / "r"))
    done = subprocess.run(
        command("run", *arguments),
        env={**environment(tmp_path / "home"), "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert b"tiny_blobs, protocol smoke" in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_file_that_fails_to_import_does_not_end_the_run_of_the_others(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_library\n")
    both = ("--optimizer", f"{broken},sgd", "--task", f"{TINY},{broken}")
    done = run(tmp_path, *both, *SMOKE, "--json")
    assert done.returncode == 1
    assert f"{broken}, line 1: importing it failed with ModuleNotFoundError" in done.stderr
    assert (tmp_path / "r" / "tiny_blobs" / "sgd.smoke.json").exists()
    found = json.loads(done.stdout)
    (study,) = found["studies"]
    assert study["method"] == "sgd"
    assert study["status"] == "written"
    result = results.read(tmp_path / "r" / "tiny_blobs" / "sgd.smoke.json")
    assert study["scores"] == result.scores
    (said,), (replicate,) = study["replicates"], result.replicates
    assert said["seed"] == 0
    assert said["chosen"]["hyperparameters"] == replicate.evaluation[0].hyperparameters
    assert said["test_scores"] == [run.test_score for run in replicate.evaluation]
    assert said["failed"] == []
    assert len(found["not_run"]) == 1
    planned = run(tmp_path, "-o", "sgd,lion", "-t", TINY, *SMOKE, "-n", "--json")
    assert planned.returncode == 0
    states = [(s["method"], s["status"]) for s in json.loads(planned.stdout)["studies"]]
    assert states == [("sgd", "done already"), ("lion", "to run")]
    assert "1 of 2 studies to run" in planned.stderr


def test_a_study_that_stopped_in_json(tmp_path):
    method = write_method(tmp_path, "raises", "raise ZeroDivisionError('one by nought')")
    done = run(tmp_path, "--optimizer", method, "--task", TINY, *SMOKE, "--json")
    assert done.returncode == 1
    (study,) = json.loads(done.stdout)["studies"]
    assert (study["status"], study["result"]) == ("stopped", None)
    assert "raises.py, line 11, in step" in study["error"]


def test_a_file_that_fails_to_import_is_named_with_its_line(tmp_path):
    method = tmp_path / "broken.py"
    method.write_text("import torch\n\nraise ValueError('not today')\n")
    done = run(tmp_path, "--optimizer", str(method), "--task", TINY, *SMOKE)
    assert done.returncode == 1
    assert f"{method}, line 3: importing it failed with ValueError: not today" in done.stderr


def test_the_live_view_on_a_terminal(tmp_path):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command("run", "--optimizer", "adamw", "--task", TINY, "--results", str(tmp_path / "r")),
        env={**environment(tmp_path / "home"), "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=follower,
        stdin=follower,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
    process.communicate()
    text = shown.decode(errors="replace")
    assert process.returncode == 0
    assert "trial 1 of 21" in text
    assert "best 0." in text
    assert "left" in text
    assert any(bar in text for bar in "▁▂▃▄▅▆▇█")


def test_the_library_gives_what_the_command_gives(tmp_path):
    script = tmp_path / "use.py"
    script.write_text(
        "import sys, json, suite\n"
        f"result = suite.run('adamw', {TINY!r}, protocol='smoke', jobs=1, results=sys.argv[1])\n"
        "runs, curves = suite.load_results(sys.argv[1])\n"
        "print(json.dumps([result.method.name, len(runs), sorted(set(curves.split))]))\n"
    )
    done = subprocess.run(
        [command()[0], str(script), str(tmp_path / "r")],
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["adamw", 2, ["test", "validation"]]
    by_command = run(tmp_path, "--optimizer", "adamw", "--task", TINY, *SMOKE)
    assert "done already" in by_command.stdout


def test_core_is_what_the_standing_of_a_track_counts(tmp_path):
    done = run(tmp_path, "--optimizer", "adamw", "--track", "mini", "--core", "--dry-run")
    core = {task.name for task in registry.load_all("task")[0] if task.core}
    planned = re.findall(r"^adamw on (\w+):", done.stdout, re.MULTILINE)
    mini = {task.name for task in registry.load_all("task")[0] if task.track == "mini"}
    assert sorted(planned) == sorted(core & mini)
    assert 0 < len(planned) < len(mini)
