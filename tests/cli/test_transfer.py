"""`suite transfer`, with real studies on a tiny task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.components import registry
from tests.cli.test_inspect import run
from tests.commands import TINY

#: SGD whose steps are divided by `slow`: its best rate is in proportion to it
RULE = """
import torch
from suite import optimizer, rule, search

def slow_sgd(params, lr, slow):
    return torch.optim.SGD(params, lr=lr / slow)

optimizer("slow_sgd", slow_sgd, paper="p", url="u", summary="s", search={
    "lr": search.log_uniform(1e-3, 1e3, default=0.1),
    "slow": search.log_uniform(1, 100, default=1),
})

def grows(size, base):
    return size.sets["slow"] / base.sets["slow"]

rule("grows", grows, paper="p", url="u", summary="s", place="a", method="slow_sgd",
     hyperparameter="lr", bounds=(0.01, 1000.0),
     sizes=[("tiny_blobs", {"slow": 1.0}), ("tiny_blobs", {"slow": 10.0})])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def grows(folder) -> str:
    file = folder / "grows.py"
    file.write_text(Path(TINY).read_text() + RULE)
    return str(file)


@pytest.fixture(autouse=True)
def _alone(folder, monkeypatch) -> Iterator[None]:
    """A home of these tests, and no file that another test has registered."""
    monkeypatch.setenv("SUITE_HOME", str(folder / "home"))
    with registry.separate():
        yield


def arguments(grows: str, folder: Path, *more: str) -> tuple[str, ...]:
    return "transfer", grows, "--results", str(folder / "results"), *more


def test_without_results_the_prediction_is_listed(capsys, grows, folder) -> None:
    code, out, _ = run(capsys, *arguments(grows, folder))
    header, row, last = out.splitlines()
    assert code == 0
    assert header.split()[:3] == ["verdict", "rule", "size"]
    assert row.startswith("not run  grows  tiny_blobs, slow=10.0  lr")
    assert last == "0 reproduced, 0 not reproduced, 0 undecided, 1 not run"


def test_a_dry_run_says_what_is_missing(capsys, grows, folder) -> None:
    code, out, _ = run(capsys, *arguments(grows, folder, "--run", "--dry-run", "--jobs", "0"))
    assert code == 0
    assert out.startswith("1 rule needs 2 studies, 1 at a time: about ")
    assert "grows (2 studies)" in out
    assert not (folder / "results").exists()


def test_missing_studies_run_and_decide(capsys, grows, folder) -> None:
    asked = arguments(grows, folder, "--run", "--jobs", "0", "--json")
    code, out, err = run(capsys, *asked)
    assert code == 0, err
    (one,) = json.loads(out)["rules"]
    # The same trials at ten times the rate: only rounding of the grid's values differs.
    assert one["factor"] == pytest.approx(10.0, rel=0.05)
    assert one["predicted_factor"] == pytest.approx(10.0)
    assert one["verdict"] == "reproduced", one["why"]
    assert one["replicates"] == 5
    assert 0 <= one["loss_of_predicted"] <= one["loss_unchanged"]
    files = sorted((folder / "results" / "tiny_blobs").iterdir())
    assert len(files) == 2
    assert all(file.name.startswith("slow_sgd.transfer_lr_") for file in files)
    code, out, _ = run(capsys, "validate", *map(str, files))
    assert code == 0, out


def test_results_that_are_there_decide(capsys, grows, folder) -> None:
    code, out, _ = run(capsys, *arguments(grows, folder))
    assert code == 0
    assert out.startswith("verdict     rule   size")
    assert "\nreproduced  grows" in out


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["nope"], "unknown rule 'nope'"),
        (["--dry-run"], "add --run"),
        (["--rival", "adamw"], "--rival belongs to --gain"),
        (["--task", "digits"], "--task belongs to --gain"),
        (["surge", "--gain", "lion"], "leave out the names"),
        (["--gain", "nope"], "unknown optimizer 'nope'"),
        (["--gain", "adamw"], "adamw has no gain over itself"),
        (["--gain", "lion", "--task", "xor_cluster"], "no other size of xor_cluster. Tasks with"),
    ],
)
def test_a_mistake_is_told(capsys, more, complaint) -> None:
    code, _, err = run(capsys, "transfer", *more)
    assert code == 2
    assert complaint in err


def test_a_rule_that_names_what_is_not_there_is_told(capsys, tmp_path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(RULE.replace('method="slow_sgd"', 'method="adamww"'))
    code, out, err = run(capsys, "transfer", str(file))
    assert code == 1
    assert f"cannot use {file}: rule 'grows': unknown optimizer 'adamww'" in err
    assert "0 not run" in out


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ('size.sets["slow"] / 0', "its prediction fails: ZeroDivisionError"),
        ('size.sets["fast"]', "its prediction fails: KeyError: 'fast'"),
        ("-1", "predicts -1 for tiny_blobs, slow=10.0: a factor is a positive number"),
    ],
)
def test_a_rule_whose_code_fails_is_told(capsys, tmp_path, returned, complaint) -> None:
    file = tmp_path / "failing.py"
    wrong = RULE.replace('size.sets["slow"] / base.sets["slow"]', returned)
    file.write_text(Path(TINY).read_text() + wrong)
    code, _, err = run(capsys, "transfer", str(file))
    assert code == 1
    assert f"cannot use {file}: rule 'grows': " in err
    assert complaint in err


#: twice the budget, and a method whose steps are too small to learn anything
SIZES = """
import torch
from suite import optimizer, search

for_long = dict(version=1, track="mini", summary="s", source="s", batch_size=32, evaluations=12,
                score=score.final("loss", higher_is_better=False, worst=4.0), target=0.7)
task("tiny_blobs_long", Blobs(), size_of="tiny_blobs", budget=32 * 240, **for_long)

optimizer("crawl", torch.optim.SGD, paper="p", url="u", summary="s",
          search={"lr": search.log_uniform(1e-6, 1e-5, default=1e-6)})
"""


def test_a_gain_runs_and_is_decided_at_both_sizes(capsys, folder) -> None:
    file = folder / "sizes.py"
    file.write_text(Path(TINY).read_text() + SIZES)
    registry.load_file(file)
    asked = (
        "transfer", "--gain", "sgd", "--rival", "crawl", "--task", "tiny_blobs",
        "--results", str(folder / "gains"), "--jobs", "0",
    )  # fmt: skip
    code, out, _ = run(capsys, *asked, "--run", "--dry-run")
    assert code == 0
    assert out.startswith("1 comparison needs 4 studies")
    code, out, err = run(capsys, *asked, "--run", "--json")
    assert code == 0, err
    (one,) = json.loads(out)["gains"]
    assert (one["task"], one["size"]) == ("tiny_blobs", "tiny_blobs_long")
    assert one["verdict"] == "survives"
    assert one["gain"]["low"] > 0
    assert one["protocols"] == ["quick", "quick"]
    code, out, _ = run(capsys, *asked)
    assert code == 0
    assert out.splitlines()[1].startswith("survives  tiny_blobs  +")
    assert out.splitlines()[-1] == "1 survives, 0 is gone, 0 not told, 0 not run"


def test_published_results_count_where_they_are(capsys, folder) -> None:
    asked = ("transfer", "--gain", "muon", "--task", "digits", "--results", str(folder / "none"))
    code, out, _ = run(capsys, *asked, "--json")
    gains = json.loads(out)["gains"]
    assert code == 0
    assert {one["size"] for one in gains} == {"digits_batch_50", "digits_budget_5x", "digits_wide"}
    assert {one["verdict"] for one in gains} == {"not run"}
    assert all(one["gain"] is not None for one in gains)
