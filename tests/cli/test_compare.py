"""`suite compare`, and the tables of standings that `suite run` shows, too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from leaderboard.board import load_board, make_board
from leaderboard.comparison import compare_on_task
from leaderboard.references import Reference
from suite.cli import _exit_code
from suite.cli.standings import print_standing
from suite.errors import UsageError
from suite.results.files import read
from suite.results.frames import Stored
from tests.commands import TINY, command, environment
from tests.samples import make_reference, make_result, write_results


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("SUITE_HOME", str(folder))
    return folder


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """Without the results that the package holds."""
    code = _exit_code([*arguments, "--no-published"])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def standing_of(*results):
    stored = [Stored(Path(f"{i}.json"), result) for i, result in enumerate(results)]
    return make_board(stored, references={}).task("digits")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Lion is 0.1 worse than adamw in every replicate, sgd about the same in the mean."""
    folder = tmp_path / "results"
    scores = {
        "adamw": [0.80, 0.85, 0.90],
        "lion": [0.70, 0.75, 0.80],
        "sgd+sam": [0.90, 0.85, 0.80],
    }
    write_results(folder, [make_result(method=m, scores=s) for m, s in scores.items()])
    return folder


def test_compare_pairs_replicates(capsys, results: Path) -> None:
    arguments = ("compare", "adamw", "lion", "sgd+sam", "--task", "digits")
    code, out, _ = run(capsys, *arguments, "--results", str(results))
    assert code == 0
    # The intervals of the two means overlap; replicate by replicate the difference is plain.
    assert re.search(
        r"^lion - adamw: -0\.1 \(-0\.1\S* to -0\.\S+, paired over 3 replicates\): worse$", out, re.M
    )
    (line,) = [line for line in out.splitlines() if line.startswith("sgd+sam - adamw")]
    assert line.endswith("no clear difference")


@pytest.fixture(scope="module")
def probed(tmp_path_factory) -> Path:
    """Real studies of two methods on a tiny task, with two diagnostics."""
    folder = tmp_path_factory.mktemp("probed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUITE_HOME", str(folder / "home"))
        for method in ("adamw", "sgd"):
            arguments = ["run", "-o", method, "-t", TINY, "-p", "smoke", "-j", "0"]
            arguments += ["--probe", "layer_rotation,update_norms", "--probe-points", "3"]
            assert _exit_code([*arguments, "--results", str(folder / "results")]) == 0
        arguments = ["run", "-o", "lion", "-t", TINY, "-p", "smoke", "-j", "0"]
        assert _exit_code([*arguments, "--results", str(folder / "results")]) == 0
    return folder / "results"


def test_compare_shows_diagnostics_side_by_side(capsys, tmp_path: Path, probed: Path) -> None:
    figure = tmp_path / "rotation.svg"
    on = ["--task", "tiny_blobs", "--results", str(probed), "--probe", "rotation"]
    code, out, _ = run(capsys, "compare", "adamw", "sgd", *on, "--figure", str(figure))
    assert code == 0
    results = {m: read(probed / "tiny_blobs" / f"{m}.smoke.json") for m in ("adamw", "sgd")}
    (row,) = [line for line in out.splitlines() if line.startswith("layer_rotation_mean")]
    for result in results.values():
        values = [
            run.curve.diagnostics["layer_rotation_mean"][-1] for run in result.evaluation_runs
        ]
        assert f"{sum(values) / len(values):.4g}" in row
    assert row.endswith("1 - cosine")
    assert "update_norms" not in out
    assert "layer rotation mean" in figure.read_text()
    code, out, _ = run(capsys, "compare", "adamw", "sgd", *on, "--json")
    shown = {one["column"]: one for one in json.loads(out)["diagnostics"]}
    assert sorted(shown) == [f"layer_rotation_{part}" for part in ("largest", "mean", "smallest")]
    assert [m["method"] for m in shown["layer_rotation_mean"]["methods"]] == ["adamw", "sgd"]
    assert shown["layer_rotation_mean"]["methods"][0]["share_of_budget"] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("methods", "text", "said"),
    [
        (("adamw", "sgd"), "sharpness", "They have: layer_rotation, update_norms."),
        (("adamw", "lion"), "rotation", "--protocol smoke --probe cheap` adds them."),
    ],
)
def test_compare_says_which_diagnostics_there_are(capsys, probed: Path, methods, text, said):
    on = ["--task", "tiny_blobs", "--results", str(probed), "--probe", text]
    code, _, err = run(capsys, "compare", *methods, *on)
    assert code == 2
    assert said in err


def test_published_results_have_no_diagnostics_to_show(capsys) -> None:
    on = ["--task", "digits", "--published", "--probe", "rotation"]
    assert _exit_code(["compare", "adamw", "sgd", *on]) == 2
    assert "--probe and --published exclude each other" in capsys.readouterr().err


def test_compare_is_about_the_methods_asked_for(capsys, results: Path) -> None:
    code, out, _ = run(
        capsys, "compare", "lion", "adamw", "--task", "digits", "--results", str(results)
    )
    assert code == 0
    assert "sgd" not in out
    assert "adamw - lion: +0.1 (" in out


def test_holms_correction_is_over_the_pairs_that_are_compared(results: Path) -> None:
    board = load_board(results, {})
    two = compare_on_task(board, "digits", ["adamw", "lion"]).differences["lion"]
    three = compare_on_task(board, "digits", ["adamw", "lion", "sgd+sam"]).differences["lion"]
    assert (two.value, two.p) == (three.value, three.p)  # their variance is shared in both
    assert two.adjusted_p == two.p
    assert three.adjusted_p > three.p


@pytest.mark.parametrize("stream", [False, True])
def test_a_stream_shows_no_time_to_target(capsys, stream: bool) -> None:
    print_standing(standing_of(make_result(task_fields={"stream": stream})))
    assert (" reached " in capsys.readouterr().out) != stream


def test_what_is_not_learning_and_what_never_completed_is_said(capsys) -> None:
    timeout = make_result(method="lion", status="timeout")
    print_standing(standing_of(make_result(scores=[0.0, 0.5, 0.5]), timeout))
    adamw, lion = capsys.readouterr().out.splitlines()[-2:]
    assert "adamw" in adamw
    assert adamw.rstrip().endswith("not learning (1 of 3 runs)")
    assert re.search(r" 0 of 3 +- ", lion)  # no median of evaluations


def test_compare_reads_the_folder_of_its_task_only(capsys, results: Path) -> None:
    (other,) = write_results(results, [make_result("lm_markov")])
    other.write_text("{}")
    arguments = ("compare", "adamw", "lion", "--task", "digits", "--results", str(results))
    assert "refused" not in run(capsys, *arguments)[2]


def test_compare_takes_the_result_that_is_ranked(results: Path) -> None:
    other = make_result(method="lion", seed=1, scores=[0.1] * 3)
    write_results(results, [other], variant="0123abcd")
    found = compare_on_task(load_board(results, {}), "digits", ["adamw", "lion"])
    assert found.differences["lion"].value == pytest.approx(-0.1)


def test_results_of_other_seeds_are_compared_among_themselves(results: Path) -> None:
    scores = {"muon": [0.5, 0.6, 0.7], "mezo": [0.4, 0.51, 0.6]}
    write_results(results, [make_result(method=m, seed=1, scores=s) for m, s in scores.items()])
    board = load_board(results, {})
    found = compare_on_task(board, "digits", ["muon", "mezo"])
    assert found.differences["mezo"].value == pytest.approx(-0.29 / 3)
    assert [entry.rank for entry in found.entries] == [None, None]
    with pytest.raises(UsageError, match=r"adamw and muon .* the seeds of the replicates differs"):
        compare_on_task(board, "digits", ["adamw", "muon"])


def test_one_replicate_gives_no_interval(capsys, results: Path) -> None:
    write_results(results, [make_result(method=m, protocol="smoke") for m in ("adamw", "lion")])
    given = ("compare", "adamw", "lion", "-t", "digits", "-p", "smoke", "--results", str(results))
    code, out, _ = run(capsys, *given)
    assert code == 0
    assert "(no interval from one replicate, paired over 1 replicates): no clear difference" in out


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
    assert "there are no results on digits" in err


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
        *("task", "protocol", "preliminary", "higher_is_better", "metric", "methods"),
        *("differences", "figure"),
    ]
    first, second = found["methods"]
    assert (first["method"], first["score"]) == ("adamw", pytest.approx(0.85))
    assert first["ranks"] == [1, 2]
    result = read(results / second["result"])
    assert second["chosen"] == [each.evaluation[0].hyperparameters for each in result.replicates]
    assert second["scores"] == result.scores
    (difference,) = found["differences"]
    assert difference["difference"] == pytest.approx(-0.1)
    assert (difference["method"], difference["baseline"]) == ("lion", "adamw")
    assert difference["verdict"] == "worse"


@pytest.mark.parametrize("width", [60, 80, 100, 132])
def test_a_ranking_fits_the_terminal_and_keeps_names_and_scores(
    capsys, monkeypatch, width: int
) -> None:
    names = ["adamw+label_smoothing@linear_decay", "schedule_free", "sgd"]
    standing = standing_of(*[make_result(method=name) for name in names])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    print_standing(standing, marked=["sgd"])
    out = click.unstyle(capsys.readouterr().out)
    table = [line for line in out.splitlines() if not line.startswith("Not shown")]
    assert max(map(len, table)) <= width
    for name in names:
        assert re.search(rf"(?m)^(> )?\d(-\d)? +{re.escape(name)} +0\.\d+", out)
    print_standing(standing, wide=True)
    assert "Not shown" not in capsys.readouterr().out


def test_a_run_shows_what_it_ran_and_says_how_much_more_there_is(capsys) -> None:
    methods = ("adamw", "lion", "sgd+sam", "muon")
    standing = standing_of(*[make_result(method=method) for method in methods])
    print_standing(standing, marked=["muon"], shown=["muon", "adamw"])
    out = capsys.readouterr().out
    assert "lion" not in out
    assert "2 more results are not shown: `suite leaderboard show --task digits`" in out


REFERENCES = {
    "digits": Reference(**make_reference("digits", 0.0, 1.0)),
    "cifar10_mini": Reference(**make_reference("cifar10_mini", 0.0, 1.0)),
    "lm_markov": Reference(**make_reference("lm_markov", 3.0, 2.0)),
}


@pytest.fixture
def over_a_track(tmp_path: Path, monkeypatch) -> Path:
    """AdamW scores 0.8 everywhere, lion 0.6; lion has not run cifar10_mini, sgd has."""
    monkeypatch.setattr("leaderboard.references.load", lambda: REFERENCES)
    folder = tmp_path / "track"
    scores = {"adamw": [0.79, 0.81, 0.8], "lion": [0.59, 0.6, 0.61], "sgd": [0.8, 0.8, 0.81]}
    for method, given in scores.items():
        for task in ("digits", "cifar10_mini", "lm_markov"):
            raw = [3 - score for score in given] if task == "lm_markov" else given
            if (task, method) != ("cifar10_mini", "lion"):
                write_results(folder, [make_result(task, method, scores=raw)])
    return folder


def test_compare_over_a_track(capsys, over_a_track: Path) -> None:
    given = ("compare", "adamw", "lion", "sgd", "--results", str(over_a_track))
    code, out, _ = run(capsys, *given)
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert rows["digits"] == ["vision", "0.8", "0.6*", "0.803"]
    assert rows["lm_markov"] == ["language", "0.8", "0.6*", "0.803"]
    assert rows["headline"][:3] == ["0.8", "0.6", "0.803"]
    assert "Not run by all of them: cifar10_mini." in out
    assert re.search(r"^headline, lion - adamw: -0\.2 \(-0\.2\d* to -0\.1\d*\): worse$", out, re.M)
    assert re.search(r"^headline, sgd - adamw: \+0\.0033\d* .*: no clear difference$", out, re.M)


def test_compare_over_a_track_as_json(capsys, over_a_track: Path) -> None:
    given = ("compare", "adamw", "sgd", "--track", "mini", "--results", str(over_a_track), "--json")
    code, out, _ = run(capsys, *given)
    found = json.loads(out)
    assert code == 0
    assert [each["task"] for each in found["tasks"]] == ["cifar10_mini", "digits", "lm_markov"]
    assert found["headlines"]["adamw"]["score"] == pytest.approx(0.8)
    assert found["missing"] == []
    assert found["differences"][0]["difference"] == pytest.approx(0.01 / 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["adamw", "lio"], "Did you mean 'lion'"),
        (["adamw", "lion", "--protocol", "standard"], "share no core task of the track mini"),
        (["adamw", "lion", "--track", "full"], "no results on the track full"),
        (["adamw", "lion", "--track", "mini", "--task", "digits"], "exclude each other"),
        (["adamw", "lion", "--figure", "x.svg"], "name it with --task"),
        (["adamw", "lion", "--probe", "sharpness"], "name it with --task"),
    ],
)
def test_compare_over_a_track_says_what_is_missing(
    capsys, over_a_track: Path, arguments, said: str
) -> None:
    code, _, err = run(capsys, "compare", *arguments, "--results", str(over_a_track))
    assert code == 2
    assert said in err
