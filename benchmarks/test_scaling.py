"""Two jobs finish a study at least 1.8 times as fast as one, on two cores."""

from __future__ import annotations

import time
from pathlib import Path

import suite
from suite.running import default_jobs


def seconds(jobs: int, folder: Path, monkeypatch) -> float:
    monkeypatch.setenv("SUITE_HOME", str(folder / "home"))
    began = time.perf_counter()
    suite.run(
        "adamw", "permuted_digits", protocol="standard", jobs=jobs, results=folder / "results"
    )
    return time.perf_counter() - began


def test_two_jobs_are_at_least_1_8_times_as_fast_as_one(benchmark, tmp_path, monkeypatch):
    assert default_jobs("cpu") >= 2, "this benchmark needs two cores"
    one = seconds(1, tmp_path / "one", monkeypatch)
    two = benchmark.pedantic(
        seconds, args=(2, tmp_path / "two", monkeypatch), rounds=1, iterations=1
    )
    benchmark.extra_info["one_job_seconds"] = one
    print(f"\none job {one:.1f} s, two jobs {two:.1f} s: {one / two:.2f} times as fast")
    assert one / two >= 1.8
