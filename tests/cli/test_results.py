"""`suite validate` and `suite compare`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from leaderboard.comparison import choose_standing, differences
from leaderboard.standings import task_standings
from suite.cli import _exit_code
from suite.cli.results import print_standing
from suite.results import verification
from suite.results.files import read, seal
from suite.results.frames import read_folder
from suite.results.model import Result
from tests.commands import command, environment
from tests.samples import make_result, write_results


@pytest.fixture(autouse=True)
def later_versions(monkeypatch) -> None:
    """Samples are of version 1: what is registered here is a later version of every task."""
    known = verification.registered

    def registered(kind: str, name: str) -> Any:
        entry = known(kind, name)
        return replace(entry, version=99) if kind == "task" and entry else entry

    monkeypatch.setattr(verification, "registered", registered)


def study(content: dict[str, Any]) -> dict[str, Any]:
    return content["replicates"][0]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = _exit_code(list(arguments))
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_validate_says_ok(capsys, tmp_path: Path) -> None:
    paths = write_results(tmp_path, [make_result(), make_result(method="lion+sam")])
    (tmp_path / "schema.json").write_text("{}")
    code, out, _ = run(capsys, "validate", str(tmp_path))
    assert code == 0
    said = [
        line
        for path in sorted(paths)
        for line in (
            f"ok       {path}",
            f"note     {path}: an older version of digits: 1, here it is 99",
        )
    ]
    assert out.splitlines() == [*said, "2 ok, 0 refused"]


def test_validate_takes_files_and_relative_paths(capsys, tmp_path: Path, monkeypatch) -> None:
    (path,) = write_results(tmp_path, [make_result()])
    monkeypatch.chdir(path.parent)
    assert run(capsys, "validate", path.name)[0] == 0


def changed(path: Path, **fields: object) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | fields))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: changed(path, threads=7), "digest"),
        (lambda path: changed(path, extra=1), "digest"),
        (lambda path: changed(path, schema_version=99), "schema_version"),
        (lambda path: path.write_text("{"), "JSON"),
        (lambda path: path.write_text("[" * 100_000), "JSON"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not readable"),
        (lambda path: path.write_text('{"a": NaN}'), "NaN"),
        (lambda path: path.write_text('{"a": 1, "a": 2}'), "duplicate key"),
    ],
)
def test_validate_refuses_with_the_reason(capsys, tmp_path: Path, damage, reason: str) -> None:
    good, bad = write_results(tmp_path, [make_result(), make_result(method="lion")])
    damage(bad)
    code, out, _ = run(capsys, "validate", str(tmp_path))
    assert code == 1
    assert f"ok       {good}" in out
    (line,) = [line for line in out.splitlines() if line.startswith("refused")]
    assert line.startswith(f"refused  {bad}: ")
    assert reason in line
    assert line.count(str(bad)) == 1
    assert out.endswith("1 ok, 1 refused\n")


def resealed(result: Result, change: Callable[[dict[str, Any]], object]) -> Result:
    """A result that says something else, with a digest that fits."""
    content = result.model_dump(mode="json", exclude={"digest", "schema_version"})
    change(content)
    return seal(content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda c: c["replicates"][2]["evaluation"][0].update(test_score=123.0),
            "replicates.2.evaluation.0.test_score: the file",
        ),
        (
            lambda c: study(c)["tuning"][0].update(validation_score=-5.0),
            "tuning.0.validation_score",
        ),
        (
            lambda c: study(c)["evaluation"][0].update(time_to_target=1.0),
            "evaluation.0.time_to_target",
        ),
        (
            lambda c: c["protocol"].update(generation=1),
            "protocol.generation: quick version 2",
        ),
        (lambda c: c["protocol"].update(version=3), "protocol.version: this suite knows quick up"),
        (lambda c: c["protocol"].update(name="fast"), "protocol: 'fast' is unknown"),
    ],
)
def test_validate_recomputes_what_follows_from_the_rest(capsys, tmp_path, change, reason) -> None:
    write_results(tmp_path, [resealed(make_result(), change)])
    code, out, _ = run(capsys, "validate", str(tmp_path))
    assert code == 1
    assert reason in out


def test_a_failed_run_scores_the_worst(capsys, tmp_path: Path) -> None:
    status = ["completed", "diverged", "completed"]
    write_results(tmp_path, [make_result(status=status)])
    assert run(capsys, "validate", str(tmp_path))[0] == 0
    better = resealed(
        make_result(status=status),
        lambda c: c["replicates"][1]["evaluation"][0].update(test_score=1),
    )
    write_results(tmp_path, [better])
    code, out, _ = run(capsys, "validate", str(tmp_path))
    assert code == 1
    assert "replicates.1.evaluation.0.test_score" in out


@pytest.mark.parametrize("place", ["lm_markov/adamw.quick.json", "digits/other.quick.json"])
def test_validate_refuses_a_wrong_place(capsys, tmp_path: Path, place: str) -> None:
    (path,) = write_results(tmp_path / "made", [make_result()])
    wrong = tmp_path / place
    wrong.parent.mkdir(exist_ok=True)
    shutil.move(path, wrong)
    code, out, _ = run(capsys, "validate", str(wrong))
    assert code == 1
    assert "belongs in digits/adamw.quick.json" in out


def test_validate_of_nothing_is_an_error(capsys, tmp_path: Path) -> None:
    assert run(capsys, "validate", str(tmp_path))[0] == 2


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Lion is 0.1 worse than adamw at every seed, sgd about the same in the mean."""
    folder = tmp_path / "results"
    scores = {
        "adamw": [0.80, 0.85, 0.90],
        "lion": [0.70, 0.75, 0.80],
        "sgd+sam": [0.90, 0.85, 0.80],
    }
    write_results(folder, [make_result(method=m, scores=s) for m, s in scores.items()])
    return folder


def test_compare_pairs_seeds(capsys, results: Path) -> None:
    arguments = ("compare", "adamw", "lion", "sgd+sam", "--task", "digits")
    code, out, _ = run(capsys, *arguments, "--results", str(results))
    assert code == 0
    # The intervals of the two means overlap; seed by seed the difference is plain.
    assert "lion - adamw: -0.1 (-0.1 to -0.1, paired over 3 seeds): worse" in out
    (line,) = [line for line in out.splitlines() if line.startswith("sgd+sam - adamw")]
    assert line.endswith("no clear difference")


def test_compare_is_about_the_methods_asked_for(capsys, results: Path) -> None:
    code, out, _ = run(
        capsys, "compare", "lion", "adamw", "--task", "digits", "--results", str(results)
    )
    assert code == 0
    assert "sgd" not in out
    assert "adamw - lion: +0.1 (+0.1 to +0.1, paired over 3 seeds): better" in out


@pytest.mark.parametrize("stream", [False, True])
def test_a_stream_shows_no_time_to_target(capsys, tmp_path: Path, stream: bool) -> None:
    write_results(tmp_path, [make_result(task_fields={"stream": stream})])
    (standing,) = task_standings(read_folder(tmp_path)[0], {})
    print_standing(standing)
    assert (" reached " in capsys.readouterr().out) != stream


def test_what_is_not_learning_and_what_never_completed_is_said(capsys, tmp_path: Path) -> None:
    write_results(
        tmp_path,
        [make_result(scores=[0.0, 0.5, 0.5]), make_result(method="lion", status="timeout")],
    )
    (standing,) = task_standings(read_folder(tmp_path)[0], {})
    print_standing(standing)
    adamw, lion = capsys.readouterr().out.splitlines()[-2:]
    assert "adamw" in adamw
    assert adamw.rstrip().endswith("not learning (1 of 3 runs)")
    assert " -            -  " in lion  # no median of evaluations and seconds


def test_compare_reads_the_folder_of_its_task_only(results: Path, monkeypatch) -> None:
    write_results(results, [make_result("lm_markov")])
    seen = []

    def watched(path: Path) -> Result:
        seen.append(path.parent.name)
        return read(path)

    monkeypatch.setattr("suite.results.frames.read", watched)
    choose_standing(results, "digits", ["adamw", "lion"], None)
    assert set(seen) == {"digits"}
    assert len(seen) == 3


def test_compare_takes_the_result_that_is_ranked(results: Path) -> None:
    other = make_result(method="lion", seed=1, scores=[0.1] * 3)
    write_results(results, [other], variant="0123abcd")
    standing, _ = choose_standing(results, "digits", ["adamw", "lion"], None)
    (difference,) = differences(standing, ["adamw", "lion"])
    assert difference.interval.value == pytest.approx(-0.1)


def test_runs_of_other_seeds_are_not_paired(results: Path) -> None:
    stored, _ = read_folder(results)
    (standing,) = task_standings(stored)
    (entry,) = [entry for entry in standing.entries if entry.method == "lion"]
    runs = entry.result.evaluation
    moved = [run.model_copy(update={"seed": run.seed + 1}) for run in runs]
    object.__setattr__(entry.result.replicates[0], "evaluation", moved)
    (difference,) = differences(standing, ["adamw", "lion"])
    assert difference.how.startswith("not paired")
    assert difference.interval.value == pytest.approx(-0.1)
    assert difference.interval.low < -0.1 < difference.interval.high


@pytest.mark.parametrize("ending", ["svg", "png", "PNG"])
def test_compare_draws(capsys, results: Path, tmp_path: Path, ending: str) -> None:
    figure = tmp_path / "new" / f"curves.{ending}"
    arguments = ("compare", "adamw", "lion", "--task", "digits", "--results", str(results))
    code, out, _ = run(capsys, *arguments, "--figure", str(figure))
    assert code == 0
    assert str(figure) in out
    start = {"svg": b"<?xml", "png": b"\x89PNG"}[ending.lower()]
    assert figure.read_bytes().startswith(start)


def test_compare_refuses_an_ending_it_cannot_write(capsys, results: Path, tmp_path: Path) -> None:
    arguments = ("compare", "adamw", "lion", "--task", "digits", "--results", str(results))
    code, out, err = run(capsys, *arguments, "--figure", str(tmp_path / "curves.xyz"))
    assert code == 2
    assert err.rstrip().endswith("curves.xyz: the file's name must end in one of .png, .svg, .pdf.")
    assert out == ""  # it is refused before the work
    assert not (tmp_path / "curves.xyz").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["adamw", "lio"], "Did you mean 'lion'"),
        (["adamw", "adamw"], "two or more"),
        (["adamw", "lion", "--protocol", "standard"], "share no protocol"),
    ],
)
def test_compare_says_what_is_missing(capsys, results: Path, arguments, said: str) -> None:
    given = ("compare", *arguments, "--task", "digits", "--results", str(results))
    code, _, err = run(capsys, *given)
    assert code == 2
    assert said in err


def test_compare_without_results(capsys, tmp_path: Path) -> None:
    given = ("compare", "adamw", "lion", "--task", "digits", "--results", str(tmp_path))
    code, _, err = run(capsys, *given)
    assert code == 2
    assert "holds no results on digits" in err


def test_compare_takes_the_protocol_with_most_trials(capsys, results: Path) -> None:
    both = [make_result(method=m, protocol="standard") for m in ("adamw", "lion")]
    write_results(results, both)
    given = ("compare", "adamw", "lion", "--task", "digits", "--results", str(results))
    assert "protocol standard" in run(capsys, *given)[1]
    assert "protocol quick" in run(capsys, *given, "--protocol", "quick")[1]


def test_compare_draws_where_a_notebook_chose_the_backend(results: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(
            *("compare", "adamw", "lion", "-t", "digits", "--results", str(results)),
            *("--figure", str(tmp_path / "f.png")),
        ),
        env={**environment(tmp_path), "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.png").is_file()


def test_compare_as_json(capsys, results: Path, tmp_path: Path) -> None:
    (results / "digits" / "broken.quick.json").write_text("{}")
    arguments = ("compare", "adamw", "lion", "--task", "digits", "--results", str(results))
    code, out, err = run(capsys, *arguments, "--json")
    found = json.loads(out)
    assert code == 0
    assert "refused" in err
    assert list(found) == [
        *("task", "protocol", "higher_is_better", "metric", "methods", "differences", "figure")
    ]
    first, second = found["methods"]
    assert (first["method"], first["score"]) == ("adamw", pytest.approx(0.85))
    assert second["chosen"] == read(Path(second["result"])).evaluation[0].hyperparameters
    (difference,) = found["differences"]
    assert difference["difference"] == pytest.approx(-0.1)
    assert (difference["method"], difference["baseline"]) == ("lion", "adamw")


def test_validate_as_json(capsys, tmp_path: Path) -> None:
    (path,) = write_results(tmp_path, [make_result()])
    bad = tmp_path / "digits" / "bad.json"
    bad.write_text("{}")
    code, out, err = run(capsys, "validate", str(tmp_path), "--json")
    assert code == 1
    found = json.loads(out)
    assert (found["ok"], found["refused"]) == (1, 1)
    assert [(f["file"], f["ok"]) for f in found["files"]] == [(str(path), True), (str(bad), False)]
    assert found["files"][0]["notes"] == ["an older version of digits: 1, here it is 99"]
    assert found["files"][1]["reason"]
    assert f"refused  {bad}" in err


@pytest.mark.parametrize("width", [60, 80, 100, 132])
def test_a_ranking_fits_the_terminal_and_keeps_names_and_scores(
    capsys, tmp_path: Path, monkeypatch, width: int
) -> None:
    names = ["adamw+label_smoothing@linear_decay", "schedule_free", "sgd"]
    write_results(tmp_path, [make_result(method=name) for name in names])
    (standing,) = task_standings(read_folder(tmp_path)[0], {})
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    print_standing(standing, marked=["sgd"])
    out = click.unstyle(capsys.readouterr().out)
    table = [line for line in out.splitlines() if not line.startswith("Not shown")]
    assert max(map(len, table)) <= width
    for name in names:
        assert re.search(rf"(?m)^(> )?\d +{re.escape(name)} +0\.\d+", out)
    print_standing(standing, wide=True)
    assert "Not shown" not in capsys.readouterr().out


def test_a_run_shows_what_it_ran_and_says_how_much_more_there_is(capsys, tmp_path: Path) -> None:
    write_results(tmp_path, [make_result(method=m) for m in ("adamw", "lion", "sgd+sam", "muon")])
    (standing,) = task_standings(read_folder(tmp_path)[0], {})
    print_standing(standing, marked=["muon"], shown=["muon", "adamw"])
    out = capsys.readouterr().out
    assert "lion" not in out
    assert "2 more results are in the folder: `suite compare METHOD METHOD --task digits`" in out
