"""`suite run --force`: beside a run of the same study, and when it is interrupted itself."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from suite.results import files as results
from tests.commands import TINY, command, environment, suite
from tests.methods import write_method


def arguments(folder: Path) -> tuple[str, ...]:
    """A study of two trials, each of about two seconds."""
    slow = write_method(folder, "slow", "time.sleep(0.3)")
    settings = ("--protocol", "smoke", "--jobs", "1", "--results", str(folder / "r"))
    return ("run", "--optimizer", slow, "--task", TINY, *settings)


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments(folder), *more),
        env=environment(folder / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_force_takes_nothing_from_a_study_that_another_process_runs(tmp_path):
    first = start(tmp_path)
    assert any("[1/2]" in line for line in first.stdout)
    first.send_signal(signal.SIGSTOP)  # so that it cannot end before the second begins
    second = suite(*arguments(tmp_path), "--force", home=tmp_path / "home")
    first.send_signal(signal.SIGCONT)
    output = first.communicate(timeout=120)[0]
    assert second.returncode == 2
    assert "another process is working on this study" in second.stderr
    assert first.returncode == 0, output
    assert results.read(tmp_path / "r" / "tiny_blobs" / "slow.smoke.json")


def test_an_interrupted_force_goes_on_without_it_though_an_older_result_is_there(tmp_path):
    path = tmp_path / "r" / "tiny_blobs" / "slow.smoke.json"
    assert suite(*arguments(tmp_path), home=tmp_path / "home").returncode == 0
    older = results.read(path)

    forced = start(tmp_path, "--force")
    assert any("[1/2]" in line for line in forced.stdout)
    os.kill(forced.pid, signal.SIGINT)
    output = forced.communicate(timeout=60)[0]
    assert forced.returncode == 130
    assert "the same command without --force resumes" in output
    assert results.read(path) == older

    done = suite(*arguments(tmp_path), home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 trials are kept" in done.stderr
    assert results.read(path) != older
    assert results.read(path).comparable() == older.comparable()
    assert "done already" in suite(*arguments(tmp_path), home=tmp_path / "home").stdout
