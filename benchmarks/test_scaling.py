"""Two jobs finish a study nearly twice as fast as one: at 1.8 of 2 on two cores.

What two processes can reach at all depends on the machine: virtual cores that share one core's
units, or that neighbours use, too, are not two. Both studies do the same runs, so the seconds
that these took tell by how much a run was slowed by the one beside it, at the very time that the
study was timed. The bar is 0.9 of what that leaves; on two full cores that is 1.8. The study is
that of README's first command under `standard`: Lion spends the whole budget in every trial, so
that no core rests because a trial ended early.
"""

from __future__ import annotations

import time
from pathlib import Path

import suite
from suite.results.model import Result
from suite.studies.run_studies import default_jobs


def timed_study(jobs: int, folder: Path, monkeypatch) -> tuple[float, Result]:
    """Seconds of a whole study, workers' start-up included, and its result."""
    monkeypatch.setenv("SUITE_HOME", str(folder / "home"))
    began = time.perf_counter()
    result = suite.run(
        "lion", "modular_addition", protocol="quick", jobs=jobs, results=folder / "results"
    )
    return time.perf_counter() - began, result


def seconds_in_runs(result: Result) -> float:
    """Seconds of training and evaluation, of all runs together."""
    runs = (*result.tuning_runs, *result.evaluation_runs)
    return sum(run.cost.seconds + run.cost.evaluation_seconds for run in runs)


def test_two_jobs_are_as_fast_as_two_cores_allow(benchmark, tmp_path, monkeypatch):
    assert default_jobs("cpu") >= 2, "this benchmark needs two cores"
    one, alone = timed_study(1, tmp_path / "one", monkeypatch)
    two, beside = benchmark.pedantic(
        timed_study, args=(2, tmp_path / "two", monkeypatch), rounds=1, iterations=1
    )
    slowed = seconds_in_runs(beside) / seconds_in_runs(alone)
    possible = min(2.0, 2 / slowed)  # runs may have been slower when they were alone
    benchmark.extra_info.update(one_job_seconds=one, possible_speed_up=possible)
    print(f"\none job {one:.1f} s, two jobs {two:.1f} s: {one / two:.2f} times as fast")
    print(f"a run beside another took {slowed:.2f} times as long: {possible:.2f} was possible")
    assert one / two >= 0.9 * possible
