"""`suite validate`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suite.cli import _exit_code
from suite.results import verification
from suite.results.files import seal
from suite.results.model import Result
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
