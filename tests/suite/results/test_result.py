"""The result file: strict reading, atomic writing, stable text."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from suite.errors import InvalidResult
from suite.results import files as results
from tests.samples import make_result

SCHEMA = Path(__file__).resolve().parents[3] / "results" / "schema.json"


@pytest.fixture(scope="module")
def good() -> results.Result:
    return make_result("digits", "adamw+sam@cosine")


def tampered(result: results.Result, change) -> str:
    """The file's text after a change, with a digest that fits it."""
    content = json.loads(results.text_of(result))
    change(content)
    rest = {key: value for key, value in content.items() if key != "digest"}
    content["digest"] = results._digest(rest)
    return json.dumps(content)


def test_text_reads_back_to_the_same_result(good):
    assert results.parse(results.text_of(good)) == good


def test_text_is_one_line_a_list_of_numbers(good):
    lines = results.text_of(good).splitlines()
    assert any(line.strip().startswith('"gradient_evaluations": [') for line in lines)
    assert results.text_of(good) == results.text_of(results.parse(results.text_of(good)))


def test_write_is_atomic_and_readable(good, tmp_path, monkeypatch):
    path = tmp_path / "digits" / "adamw+sam@cosine.quick.json"
    results.write(good, path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        results.write(make_result("digits", "adamw+sam@cosine", seed=1), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_new_file_takes_nobodys_place(good, tmp_path, monkeypatch, hard_links):
    def refuse(*_):
        raise PermissionError("hard links are not known here")

    if not hard_links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "digits" / "adamw+sam@cosine.quick.json"
    results.write(good, path, replace=False)
    assert results.read(path) == good
    with pytest.raises(FileExistsError):
        results.write(make_result("digits", "adamw+sam@cosine", seed=1), path, replace=False)
    assert results.read(path) == good
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_changed_number_breaks_the_digest(good):
    text = results.text_of(good).replace('"seed": 0', '"seed": 1', 1)
    with pytest.raises(InvalidResult, match="digest: the content was changed"):
        results.parse(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema_version=2), "schema_version: .* the file has 2"),
        (lambda c: c.update(schema_version=True), "schema_version"),
        (lambda c: c.pop("schema_version"), "schema_version: .* the file has None"),
        (lambda c: c.pop("task"), "task: Field required"),
        (lambda c: c.update(note="x"), "note: Extra inputs"),
        (lambda c: c["task"].update(name="../../etc/passwd"), "task.name"),
        (lambda c: c["task"].update(name="Digits"), "task.name"),
        (lambda c: c["method"].update(name="adamw/../sgd"), "method.name"),
        (lambda c: c["method"].update(name="lion+sam@cosine"), "the components make the method"),
        (lambda c: c["evaluation"][0].update(test_score="0.9"), "evaluation.0.test_score"),
        (lambda c: c["evaluation"][0].update(test_score=None), "test_score is missing"),
        (lambda c: c["evaluation"].pop(), "evaluation: expected runs 0 to 2"),
        (lambda c: c["tuning"].reverse(), "tuning: expected runs 0 to 5, in order"),
        (lambda c: c["tuning"][1].update(test_score=0.5), "tuning: test data was used"),
        (lambda c: c["tuning"][0].update(status="great"), "tuning.0.status"),
        (lambda c: c.update(chosen=77), "there is no tuning run 77"),
        (lambda c: c["tuning"][0]["curve"]["seconds"].pop(), "every column of a curve"),
        (lambda c: c["tuning"][0]["curve"]["gradient_evaluations"].reverse(), "must increase"),
        (lambda c: c["protocol"].update(trials=6.0), "protocol.trials"),
        (lambda c: c.update(tuning={"a": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}), "tuning"),
    ],
)
def test_refuses_with_field_and_reason(good, change, message):
    with pytest.raises(InvalidResult, match=message):
        results.parse(tampered(good, change))


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_refuses_numbers_that_are_not_finite(good, constant):
    score = json.loads(results.text_of(good))["evaluation"][0]["test_score"]
    text = results.text_of(good).replace(
        f'"test_score": {json.dumps(score)}', f'"test_score": {constant}', 1
    )
    with pytest.raises(InvalidResult, match=f"{constant} where a number is due"):
        results.parse(text)


def test_refuses_huge_exponents(good):
    score = json.dumps(json.loads(results.text_of(good))["evaluation"][0]["test_score"])
    text = results.text_of(good).replace(f'"test_score": {score}', '"test_score": 1e999', 1)
    with pytest.raises(InvalidResult, match=r"evaluation\.0\.test_score"):
        results.parse(text)


def test_refuses_counts_that_no_table_can_hold(good):
    content = json.loads(results.text_of(good))
    content["evaluation"][0]["cost"]["steps"] = 10**30
    with pytest.raises(InvalidResult, match=r"evaluation\.0\.cost\.steps"):
        results.parse(json.dumps(content))


@pytest.mark.parametrize("where", ["packages", "finished"])
def test_refuses_text_that_cannot_be_written(good, where):
    """Half of a pair of code units: legal in JSON's escapes, not in any file."""
    content = json.loads(results.text_of(good))
    half = {"\ud800": "1.0"} if where == "packages" else "\ud800"
    content["environment"][where] = half
    with pytest.raises(InvalidResult, match=rf"environment\.{where}"):
        results.parse(json.dumps(content))


def test_refuses_duplicate_keys(good):
    text = results.text_of(good).replace('"seed": 0', '"seed": 0, "seed": 0', 1)
    with pytest.raises(InvalidResult, match="duplicate key 'seed'"):
        results.parse(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_refuses_absurd_nesting(text):
    with pytest.raises(InvalidResult, match="nested too deeply"):
        results.parse(text)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"schema_version": 1}', "\x00"])
def test_refuses_what_is_no_result(text):
    with pytest.raises(InvalidResult):
        results.parse(text)


def test_refuses_large_and_binary_files(tmp_path):
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (results.MAX_BYTES + 1))
    with pytest.raises(InvalidResult, match="larger than"):
        results.read(large)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidResult, match="not readable"):
        results.read(binary)
    with pytest.raises(InvalidResult, match="not readable"):
        results.read(tmp_path / "missing.json")


def test_the_place_must_fit_the_content(good, tmp_path):
    name = "adamw+sam@cosine.quick"
    results.check_place(good, tmp_path / "digits" / f"{name}.json")
    results.check_place(good, tmp_path / "digits" / f"{name}.0123abcd.json")
    for wrong in (f"lm_markov/{name}.json", "digits/lion.quick.json", f"digits/{name}.x.json"):
        with pytest.raises(InvalidResult, match="its content belongs into digits"):
            results.check_place(good, tmp_path / wrong)


def test_comparable_leaves_out_times_and_environment_only(good):
    said = json.dumps(good.comparable())
    assert "test_score" in said
    for volatile in ("seconds", "environment", "peak_memory", "digest"):
        assert volatile not in said


def test_the_committed_schema_is_the_models():
    assert SCHEMA.read_text() == results.json_schema(), (
        "results/schema.json and suite/result.py differ; write it with "
        'python -c "import suite.results.files as r; print(r.json_schema(), end=str())" > '
        "results/schema.json"
    )
