"""The process that forks workers: it runs nothing itself, and workers end with it or without it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from suite.execution.child import WORTH_IMPORTING
from suite.execution.executor import Ended, Refused, Started
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter
from tests.commands import ROOT
from tests.methods import write_method
from tests.suite.execution.test_execution import job, run, wait_for


@pytest.fixture
def executor(tmp_path):
    executor = LocalExecutor(2, Starter(1, tmp_path / "workers.log"))
    yield executor
    executor.close()


def said_by(executor, tmp_path, *lines: str) -> list[object]:
    """What a method that runs in a worker's child finds out about its process."""
    place = tmp_path / "said.json"
    dump = f"json.dump([{', '.join(lines)}], open({str(place)!r}, 'w'))"
    method = write_method(tmp_path, "says", "import gc, json", dump)
    assert run(executor, job(method)).status == "completed"
    found: list[object] = json.loads(place.read_text())
    return found


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_are_forked_from_one_process_that_has_a_single_thread(executor, tmp_path):
    # What a parent may have imported is imported before workers are forked.
    executor._modules.update(WORTH_IMPORTING)
    workers = set()
    for name in ("first", "second"):
        seen = tmp_path / name
        waits = write_method(
            tmp_path,
            name,
            f"print(os.getppid(), file=open({str(seen)!r}, 'w'), flush=True)",
            f"while len(list(Path({str(tmp_path)!r}).glob('*[td]'))) < 2: time.sleep(0.01)",
        )
        executor.submit(job(waits))
        workers.add(seen)
    for _ in workers:
        assert wait_for(executor, Ended).outcome.run.status == "completed"
    pids = {int(seen.read_text()) for seen in workers}
    assert len(pids) == 2
    starters = {parent_of(pid) for pid in pids}
    assert starters == {executor._starter._process.pid}
    threads = [len(os.listdir(f"/proc/{pid}/task")) for pid in (*starters, *pids)]
    assert threads == [1, 1, 1], "a thread would be missing in forked processes"


def test_a_trial_has_garbage_collection_one_order_of_sets_and_its_threads(executor, tmp_path):
    said = said_by(
        executor,
        tmp_path,
        "gc.isenabled()",
        "os.environ['PYTHONHASHSEED']",
        "os.environ['OMP_NUM_THREADS']",
        "torch.get_num_threads()",
        "signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL",
    )
    assert said == [True, "0", "1", 1, True]


def test_if_the_starter_is_killed_its_workers_end_and_their_trials_run_again(executor, tmp_path):
    flag = tmp_path / "flag"
    method = write_method(
        tmp_path,
        "waits_once",
        f"if not Path({str(flag)!r}).exists():",
        f"    Path({str(flag)!r}).write_text(f'{{os.getppid()}} {{os.getpid()}}')",
        "    time.sleep(300)",
    )
    executor.submit(job(method))
    wait_for(executor, Started)
    while not flag.exists() or not flag.read_text():
        time.sleep(0.05)
    os.kill(executor._starter._process.pid, signal.SIGKILL)
    assert wait_for(executor, Ended).outcome.run.status == "completed"
    assert all(_has_ended(int(pid)) for pid in flag.read_text().split())


def _has_ended(process: int) -> bool:
    for _ in range(100):
        try:
            os.kill(process, 0)
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False


def test_a_starter_that_cannot_start_ends_the_run_and_fails_no_trial(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'suite.execution.starter' in sys.orig_argv: os._exit(7)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    executor = LocalExecutor(1, Starter(1, tmp_path / "workers.log"))
    try:
        executor.submit(job(write_method(tmp_path, "plain", "pass")))
        error = wait_for(executor, Refused).error
    finally:
        executor.close()
    assert "40 processes that should have run plain on" in str(error)
    assert "before it began, the last by exit code 7. " in str(error)
    assert f"{tmp_path / 'workers.log'} has what they printed" in str(error)


def test_no_trial_is_blamed_for_starters_that_are_killed_before_it_begins(tmp_path):
    executor = LocalExecutor(1, Starter(1, tmp_path / "workers.log"))
    try:
        executor.submit(job(write_method(tmp_path, "plain", "pass")))
        for _ in range(10):
            executor._starter.close()
            killed = executor._starter
            until = time.monotonic() + 60
            while executor._starter is killed and time.monotonic() < until:
                assert executor.next_event(0.05) is None
        assert wait_for(executor, Ended).outcome.run.status == "completed"
    finally:
        executor.close()


def test_closing_ends_a_starter_that_still_imports(tmp_path):
    starter = Starter(1, tmp_path / "workers.log")
    worker = starter.start_worker(())
    began = time.monotonic()
    starter.close()
    assert worker.wait() == "SIGKILL, perhaps because memory ran out"
    assert time.monotonic() - began < 1.5
    assert not starter.usable
