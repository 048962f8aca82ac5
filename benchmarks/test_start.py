"""From the command to the answer: a whole study of nine short trials in at most 5 s on two cores.

Whole processes, as a user starts them: the imports, the plan, the workers, the result and the
table. Also the CPU seconds of `suite list` and `suite show` once their answers are cached.
"""

from __future__ import annotations

import resource
import subprocess
import time

import pytest

from suite.results import files as results
from tests.commands import command, environment

RUNS = 3


def answer(home, *arguments: str) -> tuple[float, float]:
    """Seconds of a command on the clock, and of the CPU in all processes that it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        command(*arguments), env=environment(home), cwd=home, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def test_a_study_of_nine_trials(tmp_path, benchmark):
    wanted = ("run", "--optimizer", "adamw", "--task", "digits", "--jobs", "2", "--force")
    seconds = []

    def run() -> None:
        # A new folder each time: nothing is audited or tuned already.
        home = tmp_path / f"home-{len(seconds)}"
        home.mkdir()
        seconds.append(answer(home, *wanted)[0])

    benchmark.pedantic(run, rounds=RUNS, iterations=1)
    path = tmp_path / "home-0" / "results" / "digits" / "adamw.quick.json"
    result = results.read(path)
    assert len(result.tuning_runs) + len(result.evaluation_runs) == 21
    trials = sum(run.cost.seconds for run in (*result.tuning_runs, *result.evaluation_runs))
    print(f"\nfrom the command to the answer: {', '.join(f'{s:.2f}' for s in seconds)} s")
    print(f"trials of the first run: {trials:.2f} s, on two cores at a time")
    assert min(seconds) <= 5.0


LOOKS = ("list tasks", "list optimizers", "show adamw", "show digits")


@pytest.mark.parametrize("arguments", LOOKS)
def test_a_look(tmp_path, benchmark, arguments):
    first = answer(tmp_path, *arguments.split())[1]
    cpu = []
    benchmark.pedantic(
        lambda: cpu.append(answer(tmp_path, *arguments.split())[1]), rounds=RUNS, iterations=1
    )
    print(f"\nsuite {arguments}: {min(cpu):.2f} s of CPU, {first:.2f} s the first time")
    assert min(cpu) <= 0.5
