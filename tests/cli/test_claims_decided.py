"""`suite claims --decide` and `--run`, with real studies on a tiny task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.components import registry
from tests.cli.test_inspect import run
from tests.commands import TINY

#: a method that cannot be as good as SGD, since its steps are too small, and claims about it
METHOD = """
import torch
from suite import Claim, optimizer, search

def claim(**fields):
    return Claim(**{"says": "s", "task": "tiny_blobs", "rival": "sgd", "measure": "score",
                    "expect": "better", "number": "n", "place": "p", **fields})

optimizer("crawl", torch.optim.SGD, paper="p", url="u", summary="s",
    search={"lr": search.log_uniform(1e-6, 1e-4, default=1e-5)},
    claims=[
        claim(),
        claim(expect="worse", untuned="both"),
        claim(measure="sensitivity", quantity="lr", expect="lower"),
    ],
)
"""
#: a claim that takes minutes
LATER = """
import torch
from suite import Claim, optimizer, search

optimizer("later", torch.optim.SGD, paper="p", url="u", summary="s",
    search={"lr": search.log_uniform(1e-3, 1.0, default=0.1)},
    claims=[Claim(says="s", task="digits", rival="sgd", measure="score", expect="equal", number="n",
                  place="p")],
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("decided")


@pytest.fixture(scope="module")
def crawl(folder) -> str:
    file = folder / "crawl.py"
    file.write_text(Path(TINY).read_text() + METHOD)
    return str(file)


@pytest.fixture(autouse=True)
def _alone(folder, monkeypatch) -> Iterator[None]:
    """A home of these tests, and no file that another test has registered."""
    monkeypatch.setenv("SUITE_HOME", str(folder / "home"))
    with registry.separate():
        yield


def arguments(crawl: str, folder: Path, *more: str) -> tuple[str, ...]:
    return "claims", crawl, "--results", str(folder / "results"), *more


def test_without_results_nothing_is_decided(capsys, crawl, folder) -> None:
    code, out, _ = run(capsys, *arguments(crawl, folder, "--decide"))
    assert code == 0
    assert out == "0 reproduced, 0 not reproduced, 0 undecided, 3 not run\n"


def test_a_dry_run_says_what_is_missing(capsys, crawl, folder) -> None:
    code, out, _ = run(capsys, *arguments(crawl, folder, "--run", "--dry-run", "--jobs", "0"))
    assert code == 0
    first, *rows = out.splitlines()
    # Two studies under quick for the first two claims, and two sweeps.
    assert first.startswith("3 claims need 4 studies, 1 at a time: about ")
    assert len(rows) == 3
    assert "(0 studies)" in out  # the first two claims need the same studies
    assert not (folder / "results").exists()


def test_missing_studies_run_and_decide(capsys, crawl, folder) -> None:
    asked = arguments(crawl, folder, "--run", "--jobs", "0")
    code, out, err = run(capsys, *asked, "--json")
    assert code == 0, err
    assert "3 claims need 4 studies" in err
    better, worse, sensitivity = json.loads(out)["verdicts"]
    assert (better["verdict"], better["why"]) == ("not reproduced", "the opposite holds")
    assert better["high"] < 0
    assert better["low"] < better["estimate"] < better["high"]
    assert (better["protocol"], better["replicates"], better["unit"]) == (
        "quick",
        3,
        "of the score",
    )
    assert worse["verdict"] == "reproduced"
    # All rates of the one are as bad, those of the other are not.
    assert sensitivity["estimate"] < 0
    assert sensitivity["protocol"] == "sweep_lr"
    names = {path.name for path in (folder / "results" / "tiny_blobs").iterdir()}
    assert names == {
        f"{method}.{protocol}.json"
        for method in ("crawl", "sgd")
        for protocol in ("quick", "sweep_lr")
    }
    _, again, _ = run(capsys, *asked)
    assert "0 claims need 0 studies" in again


def test_results_that_are_there_decide(capsys, crawl, folder) -> None:
    _, out, _ = run(capsys, *arguments(crawl, folder, "--decide"))
    header, *rows, last = out.splitlines()
    assert header.split()[:3] == ["verdict", "method", "task"]
    assert len(rows) == 3
    assert rows[0].startswith("reproduced      crawl")
    assert "1 not reproduced" in last
    assert last.endswith("0 not run")


def test_a_claim_that_would_take_too_long_is_left(capsys, folder) -> None:
    file = folder / "later.py"
    file.write_text(LATER)
    asked = arguments(str(file), folder, "--run", "--jobs", "0", "--limit-time", "0.001")
    code, out, _ = run(capsys, *asked)
    assert code == 0
    assert "The time is over: 1 claim is left." in out
    assert not (folder / "results" / "digits").exists()
