"""The same result file whatever the parallelism, and however often a run was killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from suite.results import files as results
from tests.commands import TINY, command, environment, suite

ARGUMENTS = ("run", "--optimizer", "adamw", "--task", TINY, "--protocol", "standard")


def read(folder: Path) -> results.Result:
    return results.read(folder / "tiny_blobs" / "adamw.standard.json")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    done = suite(*ARGUMENTS, "--jobs", "1", "--results", str(folder / "r"), home=folder / "home")
    assert done.returncode == 0, done.stderr
    return read(folder / "r")


def test_two_jobs_give_the_same_result(undisturbed, tmp_path):
    done = suite(
        *ARGUMENTS, "--jobs", "2", "--results", str(tmp_path / "r"), home=tmp_path / "home"
    )
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "r").comparable() == undisturbed.comparable()


def test_killed_at_any_moment_and_started_again_gives_the_same_result(undisturbed, tmp_path):
    chance = random.Random(0)
    arguments = command(*ARGUMENTS, "--jobs", "2", "--results", str(tmp_path / "r"))
    kills = 0
    for _ in range(40):
        process = subprocess.Popen(
            arguments,
            env=environment(tmp_path / "home"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # The first kills wait for trials to have begun, each for a different number of lines.
        for _ in range(chance.randint(4, 10)):
            if not process.stdout.readline():
                break
        time.sleep(chance.uniform(0.0, 0.3))
        if (tmp_path / "r" / "tiny_blobs" / "adamw.standard.json").exists():
            break  # what is left is to show it
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    else:
        pytest.fail("forty starts were not enough to finish the study")
    process.communicate()
    assert process.returncode == 0
    assert kills >= 3
    assert read(tmp_path / "r").comparable() == undisturbed.comparable()


def test_nothing_is_repeated_after_a_kill(tmp_path):
    home = tmp_path / "home"
    arguments = command(*ARGUMENTS, "--jobs", "1", "--results", str(tmp_path / "r"))
    process = subprocess.Popen(
        arguments,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if "[3/50]" in line:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = suite(*ARGUMENTS, "--results", str(tmp_path / "r"), home=home)
    assert done.returncode == 0, done.stderr
    assert "3 of 50 trials are kept" in done.stderr
    assert "[3/50]" not in done.stderr
    assert "[4/50]" in done.stderr


def test_seeds_decide_and_trials_differ(undisturbed):
    replicates = undisturbed.replicates
    tuning_seeds = {run.seed for replicate in replicates for run in replicate.tuning}
    evaluation_seeds = {run.seed for run in undisturbed.evaluation_runs}
    assert len(tuning_seeds) == len(replicates) == 5
    assert len(evaluation_seeds) == len(undisturbed.evaluation_runs) == 10
    assert not tuning_seeds & evaluation_seeds
    rates = [[r.hyperparameters["adamw"]["lr"] for r in each.tuning] for each in replicates]
    assert {first for first, *_ in rates} == {1e-3}
    others = [rate for _, *rest in rates for rate in rest]
    assert len(set(others)) == len(others) == 5 * 7
