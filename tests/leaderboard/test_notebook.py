"""`suite.standings`, `suite.compare` and `suite.plot`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

import suite
from leaderboard import plot
from leaderboard.references import Reference
from suite.errors import UsageError
from tests.commands import ROOT
from tests.samples import make_reference, make_result, write_results

REFERENCES = {
    "digits": Reference(**make_reference("digits", 0.0, 1.0)),
    "lm_markov": Reference(**make_reference("lm_markov", 3.0, 2.0)),
    "modular_addition": Reference(**make_reference("modular_addition", 800.0, 100.0)),
}
SCORES = {"adamw": [0.79, 0.81, 0.8], "lion": [0.59, 0.6, 0.61]}


@pytest.fixture(autouse=True)
def backend(monkeypatch):
    monkeypatch.setattr("leaderboard.references.load", lambda: REFERENCES)
    with mpl.rc_context({"backend": "agg"}):
        yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def results(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "results"
    for method, scores in SCORES.items():
        times = [100.0, 200.0, 300.0] if method == "adamw" else [150.0, 200.0, 700.0]
        write_results(
            folder,
            [
                make_result("digits", method, scores=scores),
                make_result("lm_markov", method, scores=[3 - score for score in scores]),
                make_result("modular_addition", method, scores=times),
            ],
        )
    return folder


def documented(title: str) -> list[str]:
    """The columns of a table of docs/notebook.md."""
    text = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_standings_over_a_track(results):
    frame = suite.standings(results=results, published=False)
    assert list(frame.method) == ["adamw", "lion"]
    adamw, lion = frame.to_dict("records")
    assert lion["family.vision"] == pytest.approx(0.6)
    assert lion["score"] == pytest.approx((0.6 + 0.6 + lion["family.algorithmic"]) / 3)
    assert (adamw["rank_low"], lion["tasks"], lion["missing"]) == (1, 3, "")
    columns = [name for name in frame.columns if not name.startswith("family.")]
    assert [*columns, "family.<name>"] == documented("Columns of a track")


def test_standings_on_a_task(results):
    frame = suite.standings("digits", results=results, published=False)
    assert list(frame.method) == ["adamw", "lion"]
    assert list(frame.scaled) == pytest.approx([0.8, 0.6])
    assert frame.vs_adamw.isna().tolist() == [True, False]
    assert frame.vs_adamw[1] == "worse"
    assert list(frame.columns) == documented("Columns of a task")


def test_compare_on_a_task_and_over_a_track(results):
    one = suite.compare("adamw", "lion", task="digits", results=results, published=False)
    assert list(one.difference) == pytest.approx([-0.2])
    assert list(one.columns) == documented("Columns of a comparison")
    over = suite.compare("adamw", "lion", results=results, published=False)
    assert list(over.task) == ["digits", "lm_markov", "modular_addition", "headline"]
    assert over.difference[1] == pytest.approx(0.2)  # a loss
    assert over.scaled_difference[1] == pytest.approx(-0.2)
    headline = over.iloc[-1]
    assert headline.difference == pytest.approx(over.scaled_difference[:3].mean())
    assert headline.method == "lion"


def test_what_is_missing_is_said(results):
    options = {"results": results, "published": False}
    with pytest.raises(UsageError, match="holds no results on the task mnist1d"):
        suite.standings("mnist1d", **options)
    with pytest.raises(UsageError, match="the track full"):
        suite.standings(track="full", **options)
    with pytest.raises(UsageError, match="Did you mean 'lion'"):
        suite.compare("adamw", "lio", task="digits", **options)
    with pytest.raises(UsageError, match="Did you mean 'lion'"):
        plot.curves("digits", ["lio"], **options)
    with pytest.raises(UsageError, match="unknown method on the track mini"):
        plot.profile(["sgd"], **options)


def test_curves(results):
    axes = suite.plot.curves("digits", ["lion"], results=results, published=False)
    lines = [line for line in axes.lines if line.get_label() != "target"]
    assert len(lines) == 3  # one for each evaluation run
    assert [text.get_text() for text in axes.get_legend().texts] == ["lion", "target"]
    assert axes.get_ylabel() == "test accuracy"
    run = make_result("digits", "lion", scores=SCORES["lion"]).evaluation_runs[0]
    assert lines[0].get_ydata()[-1] == pytest.approx(run.curve.test["accuracy"][-1], rel=1e-4)
    assert suite.plot.curves("digits", results=results, published=False, ax=axes) is axes


def test_intervals(results):
    axes = suite.plot.intervals(results=results, published=False)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["adamw", "lion"]
    on_task = suite.plot.intervals("lm_markov", results=results, published=False)
    points = [line.get_xdata()[0] for line in on_task.lines if line.get_marker() == "o"]
    assert points == pytest.approx([0.8, 0.6])


def test_profile(results):
    axes = suite.plot.profile(results=results, published=False)
    adamw, lion = axes.lines
    assert (adamw.get_label(), lion.get_label()) == ("adamw", "lion")
    assert lion.get_ydata()[-1] < 1.0  # one run of nine missed its target
    only = suite.plot.profile(["lion"], results=results, published=False)
    assert len(only.lines) == 1


def test_sensitivity(results):
    drawn = suite.plot.sensitivity("lion", "digits", results=results, published=False)
    assert [axes.get_xlabel() for axes in drawn] == ["lion.lr", "lion.weight_decay"]
    assert drawn[0].get_xscale() == "log"
    assert len(drawn[0].lines[0].get_xdata()) == 18
    with pytest.raises(UsageError, match="2 hyperparameters, ax 1 axes"):
        suite.plot.sensitivity("lion", "digits", results=results, published=False, ax=drawn[0])


def test_importing_suite_imports_none_of_it():
    script = (
        "import suite, sys\n"
        "slow = {'pandas', 'matplotlib', 'numpy', 'torch', 'leaderboard'} & set(sys.modules)\n"
        "assert not slow, slow\n"
        "assert callable(suite.standings) and callable(suite.plot.curves)\n"
        "slow = {'matplotlib', 'torch'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, timeout=120)
