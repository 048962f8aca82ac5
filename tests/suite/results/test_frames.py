"""Result files as frames."""

from __future__ import annotations

import math

import pytest

import suite
from suite.errors import InvalidResult, UsageError
from suite.results.frames import RUN_KEY, load_results
from tests.samples import make_result, write_results


@pytest.fixture
def folder(tmp_path):
    results = [
        make_result("digits", "lion", status=["completed", "diverged", "completed"]),
        make_result("lm_markov", "adamw+sam@cosine"),
    ]
    write_results(tmp_path, results)
    return tmp_path


def test_a_row_a_run(folder):
    runs, _ = load_results(folder)
    assert len(runs) == 2 * 3 * (6 + 1)
    counted = runs.groupby(["task", "purpose"]).size()
    assert counted["digits", "tuning"] == 18
    assert counted["lm_markov", "evaluation"] == 3
    result = make_result("digits", "lion", status=["completed", "diverged", "completed"])
    rows = runs[(runs.task == "digits") & (runs.purpose == "evaluation")]
    assert list(rows.test_score) == [run.test_score for run in result.evaluation_runs]
    assert list(rows.replicate) == [0, 1, 2]
    assert list(rows.status) == ["completed", "diverged", "completed"]
    assert list(rows["hp.lion.lr"]) == [
        run.hyperparameters["lion"]["lr"] for run in result.evaluation_runs
    ]
    assert rows["hp.sam.lr"].isna().all()
    assert rows.canonical.all()
    assert set(rows.path) == {str(folder / "digits" / "lion.quick.json")}


def test_tuning_runs_have_no_test_score(folder):
    runs, curves = load_results(folder)
    assert runs[runs.purpose == "tuning"].test_score.isna().all()
    tuning = curves[curves.purpose == "tuning"]
    assert set(tuning.split) == {"validation"}
    assert tuning[["seconds", "train_loss"]].isna().all(axis=None), "tuning runs do not keep them"


def test_each_replicate_has_its_chosen_trial(folder):
    runs, _ = load_results(folder)
    of_tuning = runs[(runs.purpose == "tuning") & runs.chosen]
    assert list(of_tuning.groupby(["task", "replicate"]).size()) == [1] * 6


def test_a_row_an_evaluation_point(folder):
    _, curves = load_results(folder)
    run = make_result("lm_markov", "adamw+sam@cosine").evaluation_runs[1]
    one = curves[
        (curves.task == "lm_markov")
        & (curves.purpose == "evaluation")
        & (curves.replicate == 1)
        & (curves.split == "test")
        & (curves.metric == "loss")
    ]
    assert list(one.gradient_evaluations) == run.curve.gradient_evaluations
    assert list(one.value) == run.curve.test["loss"]
    assert math.isnan(one.train_loss.iloc[0])  # before training
    assert list(one.train_loss)[1:] == run.curve.train_loss[1:]


def test_two_studies_of_one_method_are_told_apart_and_joined(tmp_path):
    write_results(tmp_path, [make_result("digits", "lion")])
    write_results(tmp_path, [make_result("digits", "lion", seed=1)], variant="0123abcd")
    runs, curves = load_results(tmp_path)
    point = [*RUN_KEY, "split", "metric", "gradient_evaluations"]
    assert not curves.duplicated(point).any()
    assert set(curves.result_seed) == {0, 1}
    joined = curves.merge(runs, on=RUN_KEY, validate="many_to_one", suffixes=("", "_of_run"))
    assert len(joined) == len(curves)
    for column in ("task", "task_version", "method", "protocol", "result_seed"):
        assert (joined[column] == joined[f"{column}_of_run"]).all()


def test_an_invalid_file_raises_and_is_named(folder):
    (folder / "digits" / "adamw.quick.json").write_text('{"schema_version": 1}')
    with pytest.raises(InvalidResult, match=r"adamw\.quick\.json: digest"):
        load_results(folder)


def test_invalid_files_can_be_left_out_with_a_warning(folder):
    (folder / "digits" / "adamw.quick.json").write_text("{")
    with pytest.warns(UserWarning, match=r"1 of 3 files.*\n.*adamw\.quick\.json"):
        runs, _ = load_results(folder, strict=False)
    assert set(runs.method) == {"lion", "adamw+sam@cosine"}


def test_a_valid_result_in_a_wrong_place_is_invalid(folder):
    (folder / "lm_markov" / "lion.quick.json").write_bytes(
        (folder / "digits" / "lion.quick.json").read_bytes()
    )
    with pytest.raises(InvalidResult, match=r"belongs in digits/lion\.quick\.json"):
        load_results(folder)


def test_no_results_are_empty_frames_with_columns(tmp_path):
    runs, curves = load_results(tmp_path)
    assert runs.empty
    assert {"task", "purpose", "test_score", "seconds"} <= set(runs.columns)
    assert curves.empty
    assert "value" in curves.columns


def test_a_missing_folder_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such results folder"):
        load_results(tmp_path / "nowhere")


def test_the_suite_offers_it():
    assert suite.load_results is load_results
