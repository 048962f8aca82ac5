"""Diagnostics of results: their values, what goes with them, and the small figures of the site."""

from __future__ import annotations

import csv
import io
import math
import re

import numpy as np
import pytest
from scipy.stats import spearmanr

from leaderboard.board import load_board
from leaderboard.diagnostic_figures import along_budget, of_method, of_task
from leaderboard.diagnostics import (
    Diagnosed,
    at_end,
    by_replicate,
    correlation,
    correlations,
    end_interval,
    read_diagnosed,
)
from leaderboard.site import build
from scripts.write_diagnostics import END, START, table, written
from tests.samples import make_result, with_diagnostics, write_results

COLUMNS = 150
METHODS = [f"method_{letter}" for letter in "abcdefghij"]


def diagnosed(results) -> Diagnosed:
    return Diagnosed(results[0].task, results[0].protocol, tuple(results))


def scored(number: int, task: str = "digits"):
    """The results of method `number`: the higher the number, the better, in every replicate."""
    scores = [0.5 + 0.04 * number + 0.001 * i for i in range(3)]
    return make_result(task, METHODS[number], scores=scores)


def test_values_are_means_over_runs_at_the_end_and_along():
    result = with_diagnostics(scored(0), {"sharp": [[4, 2], [None, 8], [1, None]], "all": [[0, 0]]})
    assert by_replicate(result, "sharp") == {0: 2, 1: 8}
    assert by_replicate(result, "sharp", "mean") == {0: 3, 1: 8, 2: 1}
    assert at_end(result.evaluation_runs[2], "sharp") is None
    assert at_end(result.evaluation_runs[0], "other") is None
    mean, low, high = end_interval(result, "sharp")
    half = 12.706 * 3 * math.sqrt(2) / math.sqrt(2)  # Student's with one degree of freedom
    assert (mean, low, high) == pytest.approx((5, 5 - half, 5 + half), rel=1e-3)
    assert end_interval(result, "other") is None
    at, means = along_budget(result, "sharp")
    assert at == [0.0, 1.0]
    assert means == [2.5, 5.0]


def test_a_diagnostic_that_orders_methods_as_their_scores_do_has_correlation_one():
    results = [
        with_diagnostics(scored(n), {"good": [[0, n + i / 10] for i in range(3)], "bad": [[0, -n]]})
        for n in range(10)
    ]
    found = correlation([diagnosed(results)], "good", "generalization")
    assert found.estimate == pytest.approx((1, 1, 1), abs=0.002)
    assert (found.tasks, found.methods) == (1, 10)
    assert correlation([diagnosed(results)], "bad", "generalization").estimate.high < -0.9


def test_a_correlation_is_spearmans_mean_over_tasks_and_lower_scores_are_better_where_so():
    generator = np.random.default_rng(1)
    groups, expected = [], []
    for task, sign in (("digits", 1), ("lm_markov", -1)):
        noise = generator.normal(size=(8, 3))
        results = [
            with_diagnostics(scored(n, task), {"noise": [[v] for v in noise[n]]}) for n in range(8)
        ]
        scores = [score for result in results for score in result.scores]
        expected.append(spearmanr(noise.ravel(), sign * np.array(scores)).statistic)
        groups.append(diagnosed(results))
    found = correlation(groups, "noise", "generalization")
    assert found.estimate.value == pytest.approx(np.mean(expected))
    assert found.estimate.low < 0 < found.estimate.high
    assert found.tasks == 2


def test_too_few_methods_equal_values_and_the_speed_of_a_stream_say_nothing():
    few = [with_diagnostics(scored(n), {"good": [[n]]}) for n in range(4)]
    assert correlation([diagnosed(few)], "good", "generalization") is None
    flat = [with_diagnostics(scored(n), {"flat": [[7]]}) for n in range(8)]
    assert correlation([diagnosed(flat)], "flat", "generalization") is None
    stream = [with_diagnostics(scored(n, "permuted_digits"), {"good": [[n]]}) for n in range(8)]
    assert correlation([diagnosed(stream)], "good", "speed") is None
    assert {one.outcome for one in correlations([diagnosed(stream)])} == {"generalization"}


def test_an_interval_over_methods_misses_no_more_than_it_says():
    """Of noise, 1 in 20 intervals leaves out 0; replicates of a method are no new evidence."""
    generator = np.random.default_rng(0)
    missed = 0
    results = [scored(n) for n in range(10)]
    for _ in range(30):
        own = generator.normal(size=10)  # the same in all replicates of a method
        noisy = [
            with_diagnostics(result, {"noise": [[own[n]]]}) for n, result in enumerate(results)
        ]
        estimate = correlation([diagnosed(noisy)], "noise", "generalization").estimate
        missed += not estimate.low <= 0 <= estimate.high
    assert missed <= 5  # 1.5 expected


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A site of ten methods with many columns on a task and few on another, and of one without."""
    folder = tmp_path_factory.mktemp("diagnosed")
    columns = {f"column_{i}": [[0.1 * i, 1 + 0.01 * i, 2.0, 3.0, 2.5]] for i in range(COLUMNS)}
    few = {name: columns[name] for name in ("column_0", "column_1")}
    results = [
        with_diagnostics(scored(n, task), given)
        for task, given in (("digits", columns), ("lm_markov", few))
        for n in range(10)
    ]
    results += [make_result("digits", "plain"), make_result("cifar10_mini", "plain")]
    write_results(folder / "results", results)
    build(folder / "results", folder / "site", {})
    return folder


def test_pages_have_a_small_figure_for_each_column_and_stay_small(built):
    text = (built / "site" / "tasks" / "digits.html").read_text()
    shown = text.count('<figure class="chart" id="diagnostic-')
    assert 60 <= shown < COLUMNS
    assert f"{COLUMNS - shown} diagnostics more would make this page too large" in text
    assert 'data-name="method_j"' in text
    for page in (built / "site").rglob("*.html"):
        assert page.stat().st_size < 500_000, page
    rows = list(
        csv.DictReader(
            io.StringIO((built / "site" / "figures" / "diagnostics-digits-quick.csv").read_text())
        )
    )
    assert len(rows) == COLUMNS * 10 * 5
    assert {row["method"] for row in rows} == set(METHODS)


def test_pages_without_diagnostics_say_nothing_of_them(built, tmp_path):
    for page in ("tasks/cifar10_mini.html", "methods/plain.html"):
        assert 'id="diagnostics' not in (built / "site" / page).read_text()
    write_results(tmp_path / "results", [make_result()])
    build(tmp_path / "results", tmp_path / "site", {})
    assert not (tmp_path / "site" / "diagnostics.html").exists()
    assert "diagnostics.html" not in (tmp_path / "site" / "index.html").read_text()


def test_colours_are_of_the_best_methods_and_the_others_are_one_grey_path(built):
    board = load_board(built / "results")
    (digits, _) = read_diagnosed(board, built / "results")
    panels = of_task(digits)
    assert [name for name, _ in panels.legend] == METHODS[:1:-1]
    assert panels.others == 2
    first = panels.drawings[0]
    assert [group.name for group in first.groups if group.name] == METHODS[:1:-1]
    grey = [shape for g in first.groups for shape in g.shapes if shape.role == "grey"]
    assert len(grey) == 1
    of_one = of_method("method_j", read_diagnosed(board, built / "results"))
    assert of_one.drawings[0].title == "train loss"
    assert [name for name, _ in of_one.legend] == ["digits", "lm_markov"]
    assert of_method("plain", [digits]).drawings == []


def test_the_page_of_the_docs_has_a_line_for_each_column(built):
    found = read_diagnosed(load_board(built / "results"), built / "results")
    good = [with_diagnostics(scored(n), {"good": [[n]], "bad": [[-n]]}) for n in range(10)]
    text = table([diagnosed(good)])
    assert "Of 10 results of 10 methods on digits, protocol quick." in text
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE))
    assert list(rows) == ["bad", "good"]
    assert rows["good"].split(" | ")[0].startswith("**+1.00 (")
    assert rows["bad"].split(" | ")[0].startswith("**-1.00 (")
    assert "No result has diagnostics" in table(found)  # all methods have the same values
    page = f"before {START} old {END} after"
    assert written(page, text) == f"before {START}\n{text}\n{END} after"
    assert written(written(page, "x"), text) == written(page, text)
