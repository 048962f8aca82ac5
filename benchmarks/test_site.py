"""The site of 1,000 result files: at most 20 s, and no page over 1.5 MB."""

from __future__ import annotations

import pytest

from leaderboard.references import Reference
from leaderboard.site import build
from tests.samples import TASKS, make_reference, make_result, write_results

METHODS = 167
ENDS = {"modular_addition": (350, 150), "lm_markov": (2.5, 1.5)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    parts = ("", "+sam", "@cosine", "+label_smoothing@linear_decay")
    for task in TASKS:
        for i in range(METHODS):
            method = f"optimizer_{i}{parts[i % len(parts)]}"
            status = "diverged" if i % 10 == 9 else "completed"
            # 80 points make a file of about 40 kB, as a `quick` one of a mini task.
            write_results(folder, [make_result(task, method, status=status, points=80)])
    return folder


def test_site_of_a_thousand_results(benchmark, results, tmp_path):
    references = {
        task: Reference(**make_reference(task, *ENDS.get(task, (0.3, 0.7)))) for task in TASKS
    }
    report = benchmark.pedantic(
        build, args=(results, tmp_path / "site", references), rounds=1, iterations=1
    )
    sizes = {path.name: path.stat().st_size for path in report.pages}
    benchmark.extra_info["pages"] = len(sizes)
    benchmark.extra_info["largest page, bytes"] = max(sizes.values())
    assert report.skipped == []
    assert len(sizes) == METHODS + len(TASKS) + 2
    assert max(sizes.values()) <= 1_500_000, max(sizes, key=sizes.get)
    if benchmark.stats is not None:  # None under --benchmark-disable
        assert benchmark.stats.stats.max <= 20
