"""The result file: strict reading, atomic writing, stable text."""

from __future__ import annotations

import json
import math
import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from suite.errors import InvalidResult, UsageError
from suite.results import files as results
from suite.results.fields import check_lines, printable
from suite.results.migrations import MIGRATIONS
from suite.results.model import SCHEMA_VERSION, Curve
from suite.results.trimming import trimmed
from tests.samples import make_result

SCHEMA = Path(__file__).resolve().parents[3] / "results" / "schema.json"


@pytest.fixture(scope="module")
def good() -> results.Result:
    return make_result("digits", "adamw+sam@cosine")


def study(content: dict) -> dict:
    return content["replicates"][0]


def sealed(content: dict) -> dict:
    """A content with a digest that fits it."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    return {**rest, "digest": results._digest(rest)}


def tampered(result: results.Result, change) -> str:
    """The file's text after a change, with a digest that fits it."""
    content = json.loads(results.text_of(result))
    change(content)
    return json.dumps(sealed(content))


def test_text_reads_back_to_the_same_result(good):
    assert results.parse(results.text_of(good)) == good


def test_text_is_one_line_a_list_of_numbers(good):
    lines = results.text_of(good).splitlines()
    assert any(line.strip().startswith('"accuracy": [') for line in lines)
    assert any(line.strip().startswith('"cost": {"examples":') for line in lines)
    assert any(line.strip().startswith('"lr": {"kind":"log_uniform"') for line in lines)
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
        (lambda c: c.update(schema_version=4), "schema_version: .* the file has 4"),
        (lambda c: c.update(schema_version=0), "schema_version: .* the file has 0"),
        (lambda c: c.update(schema_version=[1]), "schema_version: .* the file has"),
        (lambda c: c.update(schema_version=True), "schema_version"),
        (lambda c: c.pop("schema_version"), "schema_version: .* the file has None"),
        (lambda c: c.pop("task"), "task: Field required"),
        (lambda c: c.update(note="x"), "note: Extra inputs"),
        (lambda c: c["task"].update(name="../../etc/passwd"), "task.name"),
        (lambda c: c["task"].update(name="Digits"), "task.name"),
        (lambda c: c["method"].update(name="adamw/../sgd"), "method.name"),
        (lambda c: c["method"].update(name="lion+sam@cosine"), "the components make the method"),
        (lambda c: study(c)["evaluation"][0].update(test_score="0.9"), "evaluation.0.test_score"),
        (lambda c: study(c)["evaluation"][0].update(test_score=None), "test_score is missing"),
        (lambda c: study(c).update(evaluation=[]), "evaluation: .* at least 1 item"),
        (lambda c: c["replicates"].pop(), "replicates: expected 3, there are 2"),
        (lambda c: study(c).update(seed=5), r"the seeds are \[5, 1, 2\], and must be \[0, 1, 2\]"),
        (lambda c: study(c)["tuning"].reverse(), "tuning: expected runs 0 to 5, in order"),
        (lambda c: study(c)["tuning"][1].update(test_score=0.5), "tuning: test data was used"),
        (lambda c: study(c)["tuning"][0].update(status="great"), "tuning.0.status"),
        (lambda c: study(c).update(chosen=77), "there is no tuning run 77"),
        (lambda c: study(c)["evaluation"][0]["curve"]["seconds"].pop(), "every column of a curve"),
        (
            lambda c: study(c)["tuning"][0]["curve"]["gradient_evaluations"].update(last=-1.0),
            "must increase",
        ),
        (
            lambda c: study(c)["tuning"][0]["curve"]["gradient_evaluations"].update(points=3),
            "every column of a curve",
        ),
        (
            lambda c: study(c)["tuning"][0]["curve"]["gradient_evaluations"].update(points=10**9),
            r"gradient_evaluations: .*points: .* less than or equal to 20000",
        ),
        (lambda c: c["protocol"].update(trials=6.0), "protocol.trials"),
        (lambda c: study(c).update(tuning={"a": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}), "tuning"),
    ],
)
def test_refuses_with_field_and_reason(good, change, message):
    with pytest.raises(InvalidResult, match=message):
        results.parse(tampered(good, change))


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_refuses_numbers_that_are_not_finite(good, constant):
    score = study(json.loads(results.text_of(good)))["evaluation"][0]["test_score"]
    text = results.text_of(good).replace(
        f'"test_score": {json.dumps(score)}', f'"test_score": {constant}', 1
    )
    with pytest.raises(InvalidResult, match=f"{constant} where a number is expected"):
        results.parse(text)


def test_refuses_huge_exponents(good):
    score = json.dumps(study(json.loads(results.text_of(good)))["evaluation"][0]["test_score"])
    text = results.text_of(good).replace(f'"test_score": {score}', '"test_score": 1e999', 1)
    with pytest.raises(InvalidResult, match=r"evaluation\.0\.test_score"):
        results.parse(text)


def test_refuses_counts_that_no_table_can_hold(good):
    content = json.loads(results.text_of(good))
    study(content)["evaluation"][0]["cost"]["steps"] = 10**30
    with pytest.raises(InvalidResult, match=r"evaluation\.0\.cost\.steps"):
        results.parse(json.dumps(content))


@pytest.mark.parametrize("where", ["packages", "finished"])
def test_refuses_text_that_cannot_be_written(good, where):
    """Half of a pair of code units: legal in JSON's escapes, not in any file."""
    content = json.loads(results.text_of(good))
    half = {"\ud800": "1.0"} if where == "packages" else "\ud800"
    content["environment"][where] = half
    with pytest.raises(InvalidResult, match=rf"environment\.{where}"):
        results.parse(json.dumps(sealed(content)))


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
        with pytest.raises(InvalidResult, match="its content belongs in digits"):
            results.check_place(good, tmp_path / wrong)


def test_comparable_leaves_out_times_and_environment_only(good):
    said = json.dumps(good.comparable())
    assert "test_score" in said
    for volatile in ("seconds", "environment", "peak_memory", "digest"):
        assert volatile not in said


def test_the_committed_schema_is_the_models():
    assert SCHEMA.read_text() == results.json_schema(), (
        "results/schema.json and suite/results/model.py differ; write it with "
        'python -c "import suite.results.files as r; print(r.json_schema(), end=str())" > '
        "results/schema.json"
    )


# -- nothing is built from a number before it is checked ------------------------------------------


@pytest.mark.parametrize("count", [30_000_000, 2**63 - 1])
@pytest.mark.parametrize("seal_it", [False, True])
def test_a_huge_count_takes_neither_time_nor_memory(good, count, seal_it):
    """30 million trials took 1.2 GB, and more would have taken any memory."""
    content = json.loads(results.text_of(good))
    content["protocol"]["trials"] = content["protocol"]["seeds"] = count
    text = json.dumps(sealed(content) if seal_it else content)
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(InvalidResult, match=r"protocol\.trials" if seal_it else "digest"):
            results.parse(text)
        assert time.process_time() - began < 1.0
        assert tracemalloc.get_traced_memory()[1] < 20 * len(text) + 2_000_000
    finally:
        tracemalloc.stop()


def test_the_digest_is_checked_before_the_model_is_built(good, monkeypatch):
    text = tampered(good, lambda c: None).replace('"threads": 1', '"threads": 2')

    def build(*_):
        raise AssertionError("built from what nobody sealed")

    monkeypatch.setattr(results.Result, "model_validate", build)
    with pytest.raises(InvalidResult, match="digest"):
        results.parse(text)


def put(*path):
    """A change that puts the last of `path` to the place that the others name."""

    def change(content):
        *places, last, value = path
        for place in places:
            content = content[place]
        content[last] = value

    return change


RUN = ("replicates", 0, "evaluation", 0)
SPACE = ("method", "components", 0, "search_space", "lr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("task", "batch_size", 10**400), r"task\.batch_size: a whole number of more than 63"),
        (put("task", "batch_size", 2**63), r"task\.batch_size: a whole number of more than 63"),
        (put("task", "budget", 1e301), r"task\.budget: 1e\+301 is not a number below"),
        (put("task", "budget", 1e100), r"task\.budget"),
        (put("task", "worst", -1e100), r"task\.worst"),
        (put("task", "version", 10_001), r"task\.version"),
        (put("protocol", "seeds", 10_001), r"protocol\.seeds"),
        (put("protocol", "generation", 0), r"protocol\.generation"),
        (put("threads", 10_001), "threads"),
        (put("environment", "cores", 2**40), r"environment\.cores"),
        (put(*RUN, "cost", "seconds", 1e200), r"evaluation\.0\.cost\.seconds"),
        (put(*RUN, "cost", "steps", -1), r"evaluation\.0\.cost\.steps"),
        (put(*RUN, "curve", "train_loss", 3, -1e120), r"train_loss\.3"),
        (put(*RUN, "curve", "test", "accuracy", 3, 1e100), "accuracy, which is scored"),
        (put(*RUN, "hyperparameters", "adamw", "lr", 2**63), "lr: a whole number of more"),
        (put(*RUN, "hyperparameters", "adamw", "lr", 1e101), r"hyperparameters\.adamw\.lr"),
        (put(*SPACE, "low", None), "has low and high"),
        (put(*SPACE, "high", None), "has low and high"),
        (put(*SPACE, "high", 1e-6), "low must be below high"),
        (put(*SPACE, "low", 0.0), "starts above 0"),
        (put(*SPACE, "default", 7.0), r"default 7\.0 is not in the range"),
        (put(*SPACE, "kind", "choice"), "a choice has choices"),
        (put(*SPACE, "choices", [0.1]), "has low and high, and no choices"),
        (put(*SPACE, "kind", "integer"), "whole numbers"),
        (put("replicates", []), "replicates"),
    ],
)
def test_numbers_have_bounds(good, change, message):
    with pytest.raises(InvalidResult, match=message):
        results.parse(tampered(good, change))


def test_a_metric_that_is_not_scored_may_be_large(good):
    """A perplexity of 7e299 was published."""
    content = json.loads(results.text_of(good))
    for split in ("validation", "test"):
        curve = study(content)["evaluation"][0]["curve"]
        curve[split]["perplexity"] = [7e299] * len(curve["seconds"])
    assert results.parse(json.dumps(sealed(content))).evaluation_runs[0].curve.test["perplexity"]


def test_lists_and_texts_have_bounds(good):
    long = [float(n) for n in range(20_001)]
    curve = {"gradient_evaluations": long, "seconds": long, "train_loss": long}
    with pytest.raises(InvalidResult, match="at most 20000 items"):
        results.parse(tampered(good, put(*RUN, "curve", {**curve, "validation": {}, "test": {}})))
    with pytest.raises(InvalidResult, match="at most 2000 characters"):
        results.parse(tampered(good, put("environment", "cpu", "x" * 2_001)))
    with pytest.raises(InvalidResult, match="a name of 3000 characters"):
        results.parse(tampered(good, put("environment", "packages", "x" * 3_000, "1.0")))


@pytest.mark.parametrize(
    "place",
    [
        ("environment", "cpu"),
        ("environment", "finished"),
        ("environment", "packages", "torch"),
        ("method", "components", 0, "paper"),
        ("protocol", "sampler", "name"),
        ("data", "source"),
    ],
)
@pytest.mark.parametrize(
    "character", ["\r", "\n", "\0", "\x1b", "\x7f", "\x85", "\N{LINE SEPARATOR}", "\ud800"]
)
def test_lines_of_text_hold_no_control_characters(good, place, character):
    with pytest.raises(InvalidResult, match=r"control character|unicode string"):
        results.parse(tampered(good, put(*place, f"a{character}b")))


@pytest.mark.parametrize("field", ["reason", "traceback"])
def test_messages_may_have_line_breaks_and_tabs_only(good, field):
    kept = results.parse(tampered(good, put(*RUN, field, "line\n\tline")))
    assert getattr(kept.evaluation_runs[0], field) == "line\n\tline"
    for character in ("\r", "\0", "\x1b", "\udcff"):
        with pytest.raises(InvalidResult, match=r"control character|unicode string"):
            results.parse(tampered(good, put(*RUN, field, f"a{character}b")))
        assert check_lines(printable(f"a{character}b"))


def test_what_is_printable_stays_as_it_is():
    text = "line\n\tline, \N{GREEK SMALL LETTER BETA} = 0.9"
    assert printable(text) == text
    assert printable("a\r\nb\rc\x1b[31m") == "a\nb\nc\\x1b[31m"


@pytest.mark.parametrize("kind", ["link", "dangling link", "device", "pipe", "folder"])
def test_only_regular_files_are_read(good, tmp_path, kind):
    """A link to a device without an end was read until memory ran out."""
    path = tmp_path / "adamw.quick.json"
    if kind == "link":
        results.write(good, tmp_path / "there.json")
        path.symlink_to(tmp_path / "there.json")
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nowhere.json")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(InvalidResult, match=r"not readable: it is (a link|not a regular file)"):
        results.read(path)


# -- files stay small -----------------------------------------------------------------------------


def test_an_evenly_spaced_column_is_short_and_exact(good):
    content = json.loads(results.text_of(good))
    column = study(content)["evaluation"][0]["curve"]["gradient_evaluations"]
    assert column == {"first": 0.0, "last": 400.0, "points": 21}
    values = results.parse(results.text_of(good)).evaluation_runs[0].curve.gradient_evaluations
    assert values == np.linspace(0.0, 400.0, 21).tolist()


@pytest.mark.parametrize("column", [[], [0.0], [0.0, 1.0], [0.0, 1.0, 2.5], [0.0, 0.1, 0.2, 0.4]])
def test_another_column_is_a_list(column):
    curve = Curve(gradient_evaluations=column, seconds=[], train_loss=[], validation={}, test={})
    dumped = curve.model_dump(mode="json")
    assert dumped["gradient_evaluations"] == column
    assert Curve.model_validate(dumped) == curve


def test_points_that_a_step_has_moved_are_said(good):
    column = [20.0 * n for n in range(40)]
    column[5], column[7] = 101.0, 140.25
    curve = Curve(gradient_evaluations=column, seconds=[], train_loss=[], validation={}, test={})
    short = curve.model_dump(mode="json")["gradient_evaluations"]
    assert short == {
        "first": 0.0,
        "last": 780.0,
        "points": 40,
        "moved": [5, 7],
        "to": [101.0, 140.25],
    }
    assert Curve.model_validate(curve.model_dump(mode="json")) == curve
    for wrong in ({"moved": [5]}, {"moved": [5, 40]}, {"moved": [-1, 7]}, {"to": [1.0]}):
        content = {**curve.model_dump(mode="json"), "gradient_evaluations": {**short, **wrong}}
        with pytest.raises(ValidationError, match="gradient_evaluations"):
            Curve.model_validate(content)


def test_a_tenth_is_spaced_as_exactly_as_it_was_written():
    """0.1 times 3 is not 0.3: a short column must be the column that was measured."""
    for column in ([n * 0.1 for n in range(11)], [n / 10 for n in range(11)]):
        curve = Curve(
            gradient_evaluations=column, seconds=[], train_loss=[], validation={}, test={}
        )
        assert Curve.model_validate(curve.model_dump(mode="json")) == curve


#: what a `quick` file may take, of the task with the most evaluations and a method of three parts
QUICK_BYTES = 60_000


def test_a_quick_file_is_small():
    """Every run misses the target, so that no curve is short; 80 evaluations, four metrics."""
    missed = make_result("modular_addition", "lion+sam@cosine", points=80, scores=[500.0] * 3)
    content = missed.model_dump(exclude={"digest", "schema_version"})
    for replicate in content["replicates"]:
        for run in replicate["evaluation"]:
            run["curve"]["test"] |= {f"metric_{n}": run["curve"]["test"]["loss"] for n in range(2)}
    assert len(missed.tuning_runs) == 18
    assert len(results.text_of(results.seal(content)).encode()) <= QUICK_BYTES


def test_a_study_keeps_of_a_run_what_scores_follow_from():
    run = make_result("modular_addition", points=100, scores=[300.0] * 3).evaluation_runs[0]
    columns = {"wide": [1 / 3] * len(run.curve.seconds)}
    curve = run.curve.model_copy(
        update={"diagnostics": columns, "validation": run.curve.validation | columns}
    )
    run = run.model_copy(update={"curve": curve})
    kept = trimmed(run, "accuracy")
    assert kept.curve.validation == {"accuracy": run.curve.validation["accuracy"]}
    assert kept.curve.test["accuracy"] == run.curve.test["accuracy"]
    assert kept.curve.test["loss"] == pytest.approx(run.curve.test["loss"], rel=5e-5)
    assert kept.curve.diagnostics["wide"][0] == 0.33333
    assert kept.curve.train_loss[0] is None
    assert kept.curve.seconds == pytest.approx(run.curve.seconds, rel=5e-4)
    at = kept.curve.gradient_evaluations.index(kept.time_to_target)
    assert kept.seconds_to_target == kept.curve.seconds[at]
    tuning = trimmed(run.model_copy(update={"test_score": None}), "accuracy")
    assert tuning.curve.seconds == tuning.curve.train_loss == []
    assert tuning.curve.diagnostics == {}
    assert tuning.validation_score == run.validation_score


# -- what statistics are made of ------------------------------------------------------------------


def test_a_replicate_has_the_mean_over_its_evaluations():
    scores = [float(n) / 20 for n in range(10)]
    result = make_result(protocol="standard", scores=scores)
    assert result.scores == pytest.approx([0.025, 0.125, 0.225, 0.325, 0.425])
    assert [run.test_score for run in result.evaluation_runs] == scores
    assert len(result.tuning_runs) == 40
    for replicate in result.replicates:
        assert replicate.chosen_run.hyperparameters == replicate.evaluation[0].hyperparameters


def test_a_replicate_that_misses_the_target_has_no_time():
    times = [100.0, 200.0, 100.0, 500.0, 500.0, 600.0]
    result = make_result("modular_addition", protocol="standard", scores=[*times, *[50.0] * 4])
    assert [r.time_to_target for r in result.replicates] == [150.0, math.inf, math.inf, 50.0, 50.0]


def test_a_failed_run_pays():
    status = ["completed", "diverged", "completed"]
    result = make_result("digits", scores=[0.5, 0.6, 0.7], status=status)
    assert result.scores == [0.5, 0.0, 0.7]


# -- older schemas --------------------------------------------------------------------------------


def as_schema_2(result: results.Result) -> dict:
    """The content of a file as schema 2 had it: of protocol version 1, with one replicate."""
    content = json.loads(results.text_of(result))
    (replicate,) = content["replicates"]
    replicate["seed"] = 7
    for run in [*replicate["tuning"], *replicate["evaluation"]]:
        column = run["curve"]["gradient_evaluations"]
        if isinstance(column, dict):
            values = np.linspace(column["first"], column["last"], column["points"])
            run["curve"]["gradient_evaluations"] = values.tolist()
        del run["cost"]["step_cost"]
        run["cost"]["calibration_step_seconds"] = 0.008
    del content["protocol"]["replicates"]
    content["protocol"]["version"] = 1
    sampler = content["protocol"]["sampler"]
    del sampler["package"], sampler["version"]
    sampler |= {"name": "TPESampler", "optuna_version": "5.0.0"}
    return sealed({**content, "schema_version": 2})


def as_schema_1(result: results.Result) -> dict:
    """The content of a file as schema 1 had it."""
    content = as_schema_2(result)
    (replicate,) = content.pop("replicates")
    for name in ("family", "stream", "core"):
        del content["task"][name]
    for component in content["method"]["components"]:
        del component["authors"], component["extra_work"]
    for name in ("cpu_capability", "code"):
        del content["environment"][name]
    for run in [*replicate["tuning"], *replicate["evaluation"]]:
        del run["curve"]["diagnostics"]
        for name in ("cost_factor", "audit", "operations", "optimizer_state_bytes"):
            del run["cost"][name]
    return sealed({**content, **replicate, "schema_version": 1})


@pytest.fixture(scope="module")
def single() -> results.Result:
    """Of one replicate, as all results were."""
    return make_result("digits", "adamw+sam@cosine", "smoke")


def test_a_file_of_schema_2_is_migrated(single):
    content = as_schema_2(single)
    result = results.parse(json.dumps(content))
    assert (result.migrated_from, result.schema_version) == (2, 3)
    assert result.digest == content["digest"]
    assert result.seed == result.replicates[0].seed == 7, "it had no replicates to number"
    assert result.protocol.replicates == 1
    sampler = result.protocol.sampler
    assert (sampler.name, sampler.package, sampler.version) == ("TPESampler", "optuna", "5.0.0")
    assert [untimed(r) for r in result.evaluation_runs] == [
        untimed(r) for r in single.evaluation_runs
    ]
    assert {run.cost.step_cost for run in result.evaluation_runs} == {None}


def untimed(run: results.Run) -> dict:
    """A run without the time of its steps, which older schemas gave in another unit."""
    content = run.model_dump()
    del content["cost"]["step_cost"]
    return content


def test_a_file_of_schema_2_has_no_fields_of_schema_3(single):
    content = as_schema_2(single)
    content["protocol"]["replicates"] = 1
    with pytest.raises(InvalidResult, match=r"schema 2 has no 'protocol\.replicates'"):
        results.parse(json.dumps(sealed(content)))
    content = as_schema_2(single)
    content["protocol"]["sampler"]["package"] = "mine"
    with pytest.raises(InvalidResult, match="schema 2 has no 'package' of a sampler"):
        results.parse(json.dumps(sealed(content)))
    content = as_schema_2(single)
    content["replicates"][0]["tuning"][0]["cost"]["step_cost"] = 1.0
    with pytest.raises(InvalidResult, match="schema 2 has no 'step_cost'"):
        results.parse(json.dumps(sealed(content)))
    content = as_schema_2(single)
    content["replicates"][0]["tuning"] = "none"
    with pytest.raises(InvalidResult, match="tuning is not a list of records"):
        results.parse(json.dumps(sealed(content)))
    del content["protocol"], content["replicates"][0]["tuning"]
    content["replicates"][0]["tuning"] = []
    with pytest.raises(InvalidResult, match="protocol: Field required"):
        results.parse(json.dumps(sealed(content)))


def test_a_file_of_schema_1_is_migrated(single):
    content = as_schema_1(single)
    result = results.parse(json.dumps(content))
    assert result.migrated_from == 1
    assert result.schema_version == 3
    assert result.digest == content["digest"]
    assert [run.test_score for run in result.evaluation_runs] == [
        run.test_score for run in single.evaluation_runs
    ]
    assert (result.task.family, result.task.stream, result.task.core) == (None, None, None)
    assert result.environment.cpu_capability is None
    assert single.migrated_from is None


def test_the_digest_of_an_older_file_is_that_of_what_lies_there(single):
    content = as_schema_1(single)
    content["threads"] = 2
    with pytest.raises(InvalidResult, match="digest"):
        results.parse(json.dumps(content))


def test_a_file_of_schema_1_has_no_fields_of_schema_2(single):
    content = as_schema_1(single)
    with pytest.raises(InvalidResult, match="schema 1 has no 'replicates'"):
        results.parse(json.dumps(sealed({**content, "replicates": []})))
    del content["seed"]
    with pytest.raises(InvalidResult, match="seed: Field required"):
        results.parse(json.dumps(sealed(content)))


@pytest.mark.parametrize("older", [as_schema_1, as_schema_2])
def test_a_migrated_result_is_not_written_again(single, tmp_path, older):
    result = results.parse(json.dumps(older(single)))
    with pytest.raises(ValueError, match="migrated"):
        results.write(result, tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []


def test_every_schema_before_todays_has_a_migration():
    assert list(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


def test_every_published_file_reads_and_says_the_same():
    # The published files will one day all be of today's schema: one of schema 1 is kept here.
    kept = Path(__file__).resolve().parents[2] / "files" / "schema_1.json"
    assert json.loads(kept.read_text())["schema_version"] == 1
    for path in [kept, *results.find(SCHEMA.parent)]:
        content, result = json.loads(path.read_text()), results.read(path)
        if content["schema_version"] == 1:
            (replicate,) = result.model_dump(mode="json")["replicates"]
            scores = [run["test_score"] for run in content["evaluation"]]
            assert [run["test_score"] for run in replicate["evaluation"]] == scores
            assert replicate["seed"] == content["seed"]


def test_a_results_folder_that_is_a_link_to_nothing_is_named(tmp_path):
    link = tmp_path / "results"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"results is a link to nothing$"):
        results.make_folder(link / "digits")


def test_a_short_column_is_no_longer_than_the_others():
    """Twenty thousand points in each of some dozen runs took a gigabyte, from a file of 1 MB."""
    content = make_result("digits").model_dump(exclude={"digest", "schema_version"})
    curve = content["replicates"][0]["tuning"][0]["curve"]
    curve["gradient_evaluations"] = {"first": 0.0, "last": 1.0, "points": 20_000}
    with pytest.raises(ValidationError, match="20000 points, no metric has as many"):
        results.seal(content)
