"""Studies on a real dask cluster whose workers and coordinator are killed; nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("distributed", reason="the extra 'dask' (distributed) is not installed")

from suite.cli import cli
from suite.clusters import on_dask
from suite.clusters.dask_worker import Card, Order, introduce
from suite.clusters.on_dask import DaskExecutor
from suite.components.fingerprints import versions
from suite.errors import SuiteError, UsageError
from suite.execution import messages
from suite.execution.executor import Ended, Job, Started, lost
from suite.results import files as results
from suite.results.environment import record
from suite.studies.journal import read_entries
from suite.studies.plan import find_task
from suite.training.trial import Trial
from tests.commands import TINY, command, environment, suite
from tests.dask_cluster import children, wait_until, workers


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with workers(tmp_path_factory.mktemp("dask"), 3) as found:
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

    def hold_after(line: str, workers: int) -> None:
        assert any(line in said for said in first.stderr), "it ended before"
        held.hold.touch()
        wait_until("all workers run a trial", lambda: running(cluster) == [3] * workers)

    hold_after("[4/50]", 3)
    cluster.workers[-1].send_signal(signal.SIGKILL)
    held.hold.unlink()
    hold_after("[12/50]", 2)
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


# -- without a cluster ------------------------------------------------------------------------


class FakeClient:
    """A client of a scheduler whose workers do what a test says."""

    def __init__(self, cards: dict[str, Card], threads: int = 1) -> None:
        self.cards = cards
        self.threads = dict.fromkeys(cards, threads)
        #: what was submitted and not cancelled: where, and which trial
        self.running: dict[str, tuple[str, int]] = {}
        self.futures: dict[str, FakeFuture] = {}

    def __call__(self, *_, **__) -> FakeClient:
        return self

    def subscribe_topic(self, topic: str, handler) -> None:
        self.handler = handler

    def nthreads(self) -> dict[str, int]:
        return dict(self.threads)

    def submit(self, function, argument, *, key, workers, resources=None, **options):
        assert options == {"allow_other_workers": False, "pure": False}
        (address,) = workers
        future = FakeFuture(self, key)
        if function is introduce:
            future.finish(self.cards[address].model_dump_json())
        else:
            order = Order.model_validate_json(argument)
            assert resources == ({"GPU": 1} if order.trial.device == "cuda" else None)
            self.running[key] = address, order.trial.number
            self.futures[key] = future
            began = messages.Began(
                key=(order.study, *order.trial.series, order.trial.number), attempt=1, process=0
            )
            self.handler((0.0, [key, began.model_dump_json()]))
        return future

    def at(self) -> dict[int, str]:
        """Where each trial runs."""
        return {number: address for address, number in self.running.values()}

    def die(self, address: str) -> None:
        self.threads.pop(address)

    def close(self, *_) -> None:
        pass


class FakeFuture:
    def __init__(self, client: FakeClient, key: str) -> None:
        self.key = key
        self._client = client
        self._callbacks = []
        self._result = None

    def add_done_callback(self, callback) -> None:
        self._callbacks.append(callback)
        if self._result is not None:
            callback(self)

    def finish(self, result) -> None:
        self._result = result
        for callback in self._callbacks:
            callback(self)

    def result(self, timeout=None):
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    def cancelled(self) -> bool:
        return False

    def cancel(self) -> None:
        self._client.running.pop(self.key, None)


HERE = record("cpu", versions())


def card(resources=None, gpus=1, **changes) -> Card:
    record = HERE.model_copy(update=changes)
    return Card(environment=record, resources=resources or {}, gpus=gpus)


@pytest.fixture
def connected(monkeypatch):
    """A function that makes an executor of workers with these cards, and their client."""

    def connect(cards: dict[str, Card], *, threads: int = 1, gpu: bool = False):
        client = FakeClient(cards, threads)
        monkeypatch.setattr(on_dask, "Client", client)
        monkeypatch.setattr(on_dask, "_LOOK_SECONDS", 0.0)
        said: list[str] = []
        return DaskExecutor("tcp://x:1", versions(), gpu=gpu, say=said.append), client, said

    return connect


def job(number: int, device: str = "cpu") -> Job:
    trial = Trial(
        task="tiny_blobs", components=(("optimizer", "sgd"),), hyperparameters={}, number=number,
        seed=0, purpose="tuning", device=device,
    )  # fmt: skip
    return Job("a study", trial, find_task(TINY), 60.0)


def events(executor) -> list[object]:
    found = []
    while (event := executor.next_event(0.01)) is not None:
        found.append(event)
    return found


def test_a_trial_that_kills_workers_is_blamed_and_those_beside_it_are_not(connected):
    """Trial 1 kills every worker that it runs on; the others ran beside it when it first did."""
    executor, client, _ = connected({"a": card()}, threads=3)
    client.cards |= {name: card() for name in "bcde"}
    replacements = iter("bcde")
    for number in range(3):
        executor.submit(job(number))
    beside, ended = [], {}
    while len(ended) < 3:
        ended |= {e.job.trial.number: e.outcome.run for e in events(executor) if type(e) is Ended}
        if 1 in client.at():
            beside.append(len(client.running))
            client.die(client.at()[1])
            client.threads[next(replacements)] = 3
        elif client.running:
            assert len(client.running) == 1  # it is suspected, too
            _end(client, next(iter(client.running)))
    assert beside == [3, 1, 1, 1]
    assert [ended[number].status for number in range(3)] == ["completed", "failed", "completed"]
    assert ended[1].reason == "3 dask workers died while each ran this trial and nothing else"


def _end(client: FakeClient, key: str, status: str = "completed") -> None:
    """A trial ends."""
    _, number = client.running[key]
    outcome = lost(job(number), status, "", progress=1.0, seconds=1.0)
    end = messages.Finished(key=job(number).key, attempt=1, outcome=outcome)
    client.futures[key].finish(end.model_dump_json())


def test_trials_on_a_gpu_run_where_one_is_given_and_no_more_than_are_given(connected):
    cards = {"a": card(), "b": card({"GPU": 2}), "c": card({"GPU": 1})}
    executor, client, _ = connected(cards, threads=4, gpu=True)
    assert (executor.slots(1, gpu=True), executor.slots(2, gpu=False)) == (3, 6)
    for number in range(4):
        executor.submit(job(number, "cuda"))
    assert sorted(client.at().values()) == ["b", "b", "c"]
    executor.submit(job(4))
    assert client.at()[4] == "a"


def test_a_trial_that_got_no_memory_of_a_shared_gpu_runs_again_alone(connected):
    executor, client, _ = connected({"a": card({"GPU": 2})}, threads=2, gpu=True)
    for number in range(3):
        executor.submit(job(number, "cuda"))
    keys = {number: key for key, (_, number) in client.running.items()}
    _end(client, keys[0], "out_of_memory")
    assert not [e for e in events(executor) if isinstance(e, Ended)]
    assert client.at() == {1: "a"}  # the third waits, too
    _end(client, keys[1])
    events(executor)
    assert client.at() == {0: "a"}
    _end(client, next(iter(client.running)), "out_of_memory")
    ended = [e.outcome.run.status for e in events(executor) if isinstance(e, Ended)]
    assert ended == ["out_of_memory"]
    assert client.at() == {2: "a"}


def test_without_its_scheduler_a_command_ends_and_says_what_is_kept(connected):
    executor, client, _ = connected({"a": card()})

    def gone():
        raise OSError("connection refused")

    client.nthreads = gone
    with pytest.raises(
        SuiteError, match=r"scheduler at tcp://x:1 has gone\. Finished trials are k"
    ):
        executor.next_event(1.0)


def test_without_workers_nothing_begins_and_later_it_waits_for_one(connected):
    with pytest.raises(UsageError, match="has no workers: start some with `dask worker tcp://x:1`"):
        connected({})
    executor, client, said = connected({"a": card()})
    executor.submit(job(0))
    client.die("a")
    assert [type(event) for event in events(executor)] == [Started]
    assert said == ["no worker is left at tcp://x:1: waiting for one"]
    client.cards["b"], client.threads["b"] = card(), 1
    assert [type(event) for event in events(executor)] == [Started]
    assert client.at() == {0: "b"}


def test_a_worker_gives_one_gpu(connected):
    for seen in (0, 2):
        with pytest.raises(
            UsageError, match=r"sees (no|2) GPUs\. Start one for each GPU: CUDA_VIS"
        ):
            connected({"a": card({"GPU": 2}, gpus=seen)}, gpu=True)


def test_workers_of_another_kind_are_refused_at_the_start_and_left_out_later(connected):
    cards = {"a": card(), "b": card(cpu="Another CPU (model 7)")}
    with pytest.raises(UsageError, match=r"at b is another kind.*cpu: .* there, Another CPU") as no:
        connected(cards)
    assert "Start workers on machines of one kind" in str(no.value)
    executor, client, said = connected({"a": card()})
    client.cards["b"], client.threads["b"] = card(cpu_capability="AVX512"), 1
    events(executor)
    (line,) = said
    assert "at b is another kind" in line
    assert line.endswith("It gets no trial.")
    for number in range(2):
        executor.submit(job(number))
    assert client.at() == {0: "a"}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"code": "0" * 16}, "code: "),
        ({"python": "3.9.1"}, "python: "),
        ({"packages": {**HERE.packages, "torch": "2.0.0"}}, r"package torch: .* here, 2\.0\.0 the"),
    ],
)
def test_a_worker_with_other_code_is_refused(connected, changes, what):
    with pytest.raises(UsageError, match=rf"at a has other code than this command\. {what}"):
        connected({"a": card(**changes)})


def test_a_gpu_of_another_name_does_not_matter_to_trials_on_the_cpu(connected):
    executor, _, said = connected({"a": card(gpu="A100"), "b": card(gpu="H100")})
    assert executor.slots(1, gpu=False) == 2
    assert executor.environment("cpu", HERE.packages).gpu is None
    assert said == []
    with pytest.raises(UsageError, match="gpu: A100 there, H100 here"):
        connected({"a": card(gpu="A100"), "b": card(gpu="H100")}, gpu=True)


def on(engine: str, *more: str) -> str:
    arguments = ["run", "--optimizer", "sgd", "--task", TINY, "--on", engine, *more]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert isinstance(done.exception, UsageError)
    return str(done.exception)


def test_what_cannot_be_is_one_line_with_what_to_do(home, tmp_path, monkeypatch):
    there = ("--results", str(tmp_path))
    assert "there are --on slurm and --on dask://HOST:PORT" in on("cloud")
    assert "--on dask://host: dask://HOST:PORT" in on("dask://host")
    assert "--jobs 0 is for a debugger" in on("dask://host:1", "--jobs", "0")
    assert "--per-device and --on dask" in on("dask://host:1", "--per-device", "2")
    monkeypatch.setattr(on_dask, "_CONNECT_SECONDS", 1)
    assert "no dask scheduler answers at tcp://127.0.0.1:9" in on("dask://127.0.0.1:9", *there)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert on("dask://host:1") == "--on dask://... needs `pip install 'optimizer-suite[dask]'`."


def test_the_recorded_environment_is_the_workers(connected):
    there = {"cpu": "Another CPU (model 7)", "cores": 77, "commit": "c" * 40}
    executor, *_ = connected({"a": card(**there)})
    found = executor.environment("cpu", HERE.packages)
    assert {name: getattr(found, name) for name in there} == there
