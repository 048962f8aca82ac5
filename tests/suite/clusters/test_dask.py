"""Studies on a real dask cluster whose workers and coordinator are killed; nothing is lost."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from suite.results import files as results
from suite.studies.journal import read_entries
from tests.commands import TINY, command, environment, suite
from tests.dask_cluster import children, two_workers, wait_until, why_no_dask

pytestmark = pytest.mark.skipif(why_no_dask() is not None, reason=str(why_no_dask()))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with two_workers(tmp_path_factory.mktemp("dask")) as found:
        yield found


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def finished(home: Path) -> list[tuple[object, ...]]:
    (journal,) = (home / "studies" / "tiny_blobs").glob("*.journal")
    return [tuple(e["finished"]) for e in read_entries(journal) if "finished" in e]


def running(cluster) -> list[int]:
    """Of each worker that lives, how many processes are below it: three while a trial runs."""
    return [len(children(worker.pid)) for worker in cluster.workers if worker.poll() is None]


def test_a_study_whose_worker_and_command_are_killed_gives_the_result_of_one_machine(
    cluster, home, tmp_path, held
):
    arguments = ("run", "--optimizer", held.method, "--task", TINY, "--protocol", "standard")
    arguments += ("--results", str(tmp_path / "r"), "--on", f"dask://{cluster.address}")
    first = subprocess.Popen(
        command(*arguments), env=environment(home), stderr=subprocess.PIPE, text=True
    )

    def hold_after(line: str) -> None:
        assert any(line in said for said in first.stderr), "it ended before"
        held.hold.touch()
        wait_until("both workers run a trial", lambda: running(cluster) == [3, 3])

    hold_after("[4/50]")
    cluster.workers[-1].send_signal(signal.SIGKILL)
    cluster.add_worker()
    held.hold.unlink()
    hold_after("[12/50]")
    first.kill()
    first.wait()
    wait_until("the workers stop trials that nobody waits for", lambda: running(cluster) == [0, 0])
    held.hold.unlink()
    kept = finished(home)
    assert 12 <= len(kept) < 50

    again = suite(*arguments, home=home)
    assert again.returncode == 0, again.stderr
    assert f"resumes, {len(kept)} of 50 trials are kept" in again.stderr
    assert finished(home)[: len(kept)] == kept
    assert len(finished(home)) == len(set(finished(home))) == 50
    (path,) = (tmp_path / "r" / "tiny_blobs").iterdir()
    assert results.read(path).comparable() == held.result.comparable()
    assert results.read(path).environment.cpu == held.result.environment.cpu
