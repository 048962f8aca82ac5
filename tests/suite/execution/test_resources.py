"""Trials that share GPUs and memory. No GPU is needed: trials on the CPU count as on a GPU."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch

from suite.execution import local, resources
from suite.execution.executor import Ended, Started
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter
from tests.methods import write_method
from tests.suite.execution.test_execution import job


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    starter = Starter(1, tmp_path_factory.mktemp("log") / "workers.log")
    yield starter
    starter.close()


@pytest.fixture
def executors(starter, monkeypatch):
    """A function that makes an executor whose trials run on these GPUs."""
    made = []

    def make(jobs: int, gpus: list[str], per_device: int | None = None) -> LocalExecutor:
        monkeypatch.setattr(resources, "gpus", lambda: gpus)
        monkeypatch.setattr(local._Turn, "on_gpu", property(lambda turn: bool(gpus)))
        made.append(LocalExecutor(jobs, starter, per_device))
        return made[-1]

    yield make
    for executor in made:  # not `close`, which would end the starter
        for worker in filter(None, executor._slots):
            worker.kill()


def until_all_ended(executor, count: int) -> list[tuple[str, int, str | None]]:
    """What happened to the trials: when each started, and how it ended."""
    found = []
    while sum(kind == "ended" for kind, _, _ in found) < count:
        event = executor.next_event(60.0)
        assert event is not None, f"nothing happens any more, after {found}"
        if isinstance(event, Started):
            found.append(("started", event.job.trial.number, None))
        elif isinstance(event, Ended):
            found.append(("ended", event.job.trial.number, event.outcome.run.status))
    return found


def test_each_worker_has_one_gpu_and_each_gpu_so_many_trials_at_a_time(executors, tmp_path):
    """Four trials wait for one another: two on each GPU. A fifth slot has none."""
    here = repr(str(tmp_path))
    says = write_method(
        tmp_path,
        "says",
        "import json",
        "said = {'gpu': os.environ['CUDA_VISIBLE_DEVICES']}",
        f"Path({here}, f'{{os.getpid()}}.json').write_text(json.dumps(said))",
        f"while len(list(Path({here}).glob('*.json'))) < 4: time.sleep(0.02)",
    )
    executor = executors(5, ["3", "GPU-7"], per_device=2)
    for number in range(6):
        executor.submit(job(says, number=number))
    happened = until_all_ended(executor, 6)
    assert {number for kind, number, _ in happened[:4] if kind == "started"} == {0, 1, 2, 3}
    assert {status for kind, _, status in happened if kind == "ended"} == {"completed"}
    first, *_ = [i for i, (kind, _, _) in enumerate(happened) if kind == "ended"]
    assert first == 4
    files = sorted(tmp_path.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    gpus = [json.loads(path.read_text())["gpu"] for path in files]
    assert Counter(gpus[:4]) == {"3": 2, "GPU-7": 2}
    assert set(gpus) == {"3", "GPU-7"}


def test_a_trial_that_got_no_memory_beside_another_runs_again_alone(executors, tmp_path):
    here, tried = tmp_path / "here", tmp_path / "tried"
    (tmp_path / "m").mkdir()
    neighbour = write_method(
        tmp_path / "m",
        "neighbour",
        f"if not Path({str(tried)!r}).exists():",
        f"    Path({str(here)!r}).touch()",
        f"    while not Path({str(tried)!r}).exists(): time.sleep(0.02)",
        f"    Path({str(here)!r}).unlink()",
    )
    hungry = write_method(
        tmp_path / "m",
        "hungry",
        f"while not Path({str(here)!r}).exists() and not Path({str(tried)!r}).exists():",
        "    time.sleep(0.02)",
        f"if not Path({str(tried)!r}).exists():",
        f"    Path({str(tried)!r}).touch()",
        "    raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')",
    )
    executor = executors(2, ["0"])
    for number, method in enumerate((neighbour, hungry, neighbour)):
        executor.submit(job(method, number=number))
    happened = until_all_ended(executor, 3)
    assert {number: status for kind, number, status in happened if kind == "ended"} == {
        0: "completed", 1: "completed", 2: "completed",
    }  # fmt: skip
    again = happened.index(("started", 1, None), happened.index(("started", 1, None)) + 1)
    assert happened[again + 1] == ("ended", 1, "completed")
    # Whatever ran beside its first attempt, or began before that had failed, has ended.
    before = happened[:again]
    others = {number for kind, number, _ in before if kind == "started"} - {1}
    assert 0 in others
    assert {number for kind, number, _ in before if kind == "ended"} == others


def test_a_trial_that_gets_no_memory_alone_has_ended(executors, tmp_path):
    full = write_method(tmp_path, "full", "raise torch.OutOfMemoryError('CUDA out of memory')")
    executor = executors(2, ["0"])
    executor.submit(job(full))
    assert until_all_ended(executor, 1) == [
        ("started", 0, None), ("started", 0, None), ("ended", 0, "out_of_memory"),
    ]  # fmt: skip
    executor = executors(1, ["0"])
    executor.submit(job(full))
    assert until_all_ended(executor, 1) == [("started", 0, None), ("ended", 0, "out_of_memory")]


def test_trials_wait_as_long_as_less_memory_is_left_than_one_took(executors, tmp_path, monkeypatch):
    plain = write_method(tmp_path, "plain", "pass")
    executor = executors(2, [])
    executor.submit(job(plain, number=0))
    (_, (_, _, status)) = until_all_ended(executor, 1)
    assert status == "completed"
    took = executor._took["a study"]
    assert took > 1 << 20
    left = [took - 1]
    monkeypatch.setattr(local, "available_memory", lambda: left[0])
    for number in (1, 2):
        executor.submit(job(plain, number=number))
    kinds = [kind for kind, _, _ in until_all_ended(executor, 2)]
    assert kinds == ["started", "ended", "started", "ended"]
    # Two at a time again, once there is enough: each waits for the other.
    left[0] = took
    one, other = tmp_path / "one", tmp_path / "other"
    both = write_method(
        tmp_path,
        "both",
        f"mine = {str(one)!r} if not Path({str(one)!r}).exists() else {str(other)!r}",
        "Path(mine).touch()",
        f"while not Path({str(other)!r}).exists(): time.sleep(0.02)",
    )
    for number in (3, 4):
        executor.submit(job(both, number=number, limit=20.0))
    ended = [status for kind, _, status in until_all_ended(executor, 2) if kind == "ended"]
    assert ended == ["completed", "completed"]


@pytest.mark.parametrize(
    ("named", "found"),
    [(None, ["0", "1"]), ("2,GPU-5,3", ["2", "GPU-5"]), ("2, 5,6,7", ["2", "5"])],
)
def test_gpus_are_of_one_kind_and_have_the_names_that_the_user_gave_them(monkeypatch, named, found):
    kinds = ["H200", "H200", "T4"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: kinds[number])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert resources.gpus() == found


def test_slots_share_gpus_evenly(monkeypatch):
    monkeypatch.setattr(resources, "gpus", lambda: ["0", "1"])
    assert resources.gpus_of_slots(5, 2) == ["0", "1", "0", "1"]
    assert resources.gpus_of_slots(5, None) == ["0", "1", "0", "1", "0"]
    assert resources.gpus_of_slots(1, 3) == ["0"]
    monkeypatch.setattr(resources, "gpus", lambda: [])
    assert resources.gpus_of_slots(4, 1) == []


def test_what_a_container_may_use_counts(tmp_path, monkeypatch):
    memory, container = tmp_path / "meminfo", tmp_path / "cgroup"
    monkeypatch.setattr(resources, "_MEMORY", memory)
    monkeypatch.setattr(resources, "_CONTAINER", container)
    assert resources.available_memory() is None
    memory.write_text("MemTotal:       100 kB\nMemAvailable:        80 kB\n")
    assert resources.available_memory() == 80 * 1024
    container.mkdir()
    (container / "memory.current").write_text("40000\n")
    (container / "memory.stat").write_text("anon 9\ninactive_file 10000\n")
    for limit, left in (("max", 80 * 1024), ("50000", 20000), ("999999999", 80 * 1024)):
        (container / "memory.max").write_text(f"{limit}\n")
        assert resources.available_memory() == left
