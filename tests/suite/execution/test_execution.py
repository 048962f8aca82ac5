"""The executor of this machine: whatever workers do, each trial comes back once, as it went."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from suite.components import registry
from suite.execution.executor import Event, Job
from suite.execution.local import LocalExecutor
from suite.results import files as results
from suite.training.trial import Trial
from tests.commands import TINY, command, environment
from tests.methods import write_method


@pytest.fixture
def executor(tmp_path) -> Iterator[LocalExecutor]:
    executor = LocalExecutor(1, 1, tmp_path / "workers.log")
    yield executor
    executor.close()


def job(method: str, limit: float, number: int = 0) -> Job:
    """A trial of six steps."""
    task = registry.load_file(TINY)[0]
    name = Path(method).stem
    trial = Trial(
        task=task.name,
        components=(("optimizer", name),),
        hyperparameters={name: {"lr": 1e-2}},
        number=number,
        seed=7,
        purpose="tuning",
        budget_fraction=0.05,
        files=(TINY, method),
    )
    return Job("a study", trial, task, limit)


def wait_for(executor: LocalExecutor, kind: str, seconds: float = 120.0) -> Event:
    """The next event of a kind; the time leaves room for workers that start on a busy machine."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        event = executor.next_event(0.5)
        if event is not None and event.kind == kind:
            return event
    pytest.fail(f"no {kind!r} within {seconds} s")


def forking(child: str, lock: Path) -> tuple[str, ...]:
    """Lines that fork a child; it holds a lock on a file as long as it lives."""
    return (
        "if os.fork() == 0:",
        f"    {child}",
        "    import fcntl",
        f"    file = open({str(lock)!r}, 'a')",
        "    fcntl.flock(file, fcntl.LOCK_EX)",
        "    print(os.getpid(), file=file, flush=True)",
        "    time.sleep(300)",
        "    os._exit(0)",
        f"while not Path({str(lock)!r}).exists() or not Path({str(lock)!r}).read_text():",
        "    time.sleep(0.01)",
    )


def died(lock: Path) -> bool:
    """Whether nobody holds the lock, or lets go of it soon."""
    with lock.open() as file:
        for _ in range(100):
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(0.1)
    return False


def test_a_hanging_trial_is_stopped_with_the_processes_that_it_forked(executor, tmp_path):
    lock = tmp_path / "lock"
    method = write_method(tmp_path, "forks", *forking("pass", lock), "time.sleep(300)")
    executor.submit(job(method, 3.0))
    run = wait_for(executor, "done").content.run
    assert (run.status, run.reason) == ("timeout", "stopped after 3 s")
    assert died(lock)


@pytest.mark.parametrize("child", ["pass", "os.setsid()"], ids=["same session", "own session"])
def test_the_death_of_a_worker_is_seen_while_its_children_live(executor, tmp_path, child):
    """They hold the pipe open that the worker answers by."""
    lock = tmp_path / "lock"
    death = "os.kill(os.getpid(), signal.SIGKILL)"
    method = write_method(tmp_path, "forks_and_dies", *forking(child, lock), death)
    executor.submit(job(method, 300.0))
    try:
        run = wait_for(executor, "done").content.run
    finally:
        for line in lock.read_text().splitlines():
            with suppress(ProcessLookupError):
                os.kill(int(line), signal.SIGKILL)
    assert run.status == "failed"
    assert "died 2 times, last by SIGKILL" in run.reason


def test_an_answer_in_time_counts_however_late_it_is_read(executor, tmp_path):
    """And the next trial does not go to a worker that is being killed."""
    method = write_method(tmp_path, "slow", "time.sleep(0.2)")
    for number in range(2):
        executor.submit(job(method, 5.0, number))
    wait_for(executor, "report")
    time.sleep(6)  # blocked for longer than the limit, while the trial ends
    ended = [wait_for(executor, "done").content.run for _ in range(2)]
    assert [(run.number, run.status) for run in ended] == [(0, "completed"), (1, "completed")]


def test_a_run_that_was_stopped_for_longer_than_the_limit_goes_on_as_it_was(tmp_path):
    """Ctrl-Z, then `fg`."""
    methods = [write_method(tmp_path, name, "time.sleep(0.2)") for name in ("first", "second")]
    chosen = [part for method in methods for part in ("--optimizer", method)]
    process = subprocess.Popen(
        command(
            *("run", *chosen, "--task", TINY, "--protocol", "smoke", "--jobs", "1"),
            *("--trial-timeout", "5", "--results", str(tmp_path / "r")),
        ),
        env=environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert any("[1/2] first" in line for line in process.stdout)
    time.sleep(0.6)  # its second trial has begun
    process.send_signal(signal.SIGSTOP)
    time.sleep(6)
    process.send_signal(signal.SIGCONT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    for path in results.find(tmp_path / "r"):
        result = results.read(path)
        assert {run.status for run in (*result.tuning, *result.evaluation)} == {"completed"}
