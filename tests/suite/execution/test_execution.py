"""The executor of this machine: whatever methods do, each trial comes back once, as it went."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from suite.components import registry
from suite.errors import MissingData, UsageError
from suite.execution import executor as events
from suite.execution.executor import Ended, Event, Job, Reported
from suite.execution.inline import InlineExecutor
from suite.execution.local import LocalExecutor
from suite.execution.starting import Starter
from suite.results import files as results
from suite.results.model import Run
from suite.training.trial import Trial
from tests.commands import TINY, command, environment
from tests.methods import write_method

Kind = TypeVar("Kind", bound=Event)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("log") / "workers.log"


@pytest.fixture(scope="module")
def executor(log) -> Iterator[LocalExecutor]:
    """One for all tests here: no trial disturbs another."""
    executor = LocalExecutor(1, Starter(1, log))
    yield executor
    executor.close()


def job(method: str, limit: float = 60.0, number: int = 0, fraction: float = 0.05) -> Job:
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
        budget_fraction=fraction,
        files=(TINY, method),
    )
    return Job("a study", trial, task, limit)


def wait_for(executor: events.Executor, kind: type[Kind], seconds: float = 120.0) -> Kind:
    """The next event of a kind; the time leaves room for workers that start on a busy machine."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        event = executor.next_event(0.5)
        if isinstance(event, kind):
            return event
    pytest.fail(f"no {kind.__name__} within {seconds} s")


def run(executor: events.Executor, job: Job) -> Run:
    """Run a job to its end."""
    executor.submit(job)
    return wait_for(executor, Ended).outcome.run


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


OWN_SESSION = pytest.param(
    "os.setsid()", id="own session", marks=pytest.mark.skipif("sys.platform != 'linux'")
)


@pytest.mark.parametrize("child", [pytest.param("pass", id="same session"), OWN_SESSION])
@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("time.sleep(300)", "timeout"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "failed"),
        ("pass", "completed"),
    ],
)
def test_a_trial_ends_with_all_processes_that_it_started(executor, tmp_path, child, end, status):
    """They hold the pipe open that the trial answers by, and would slow the next trial."""
    lock = tmp_path / "lock"
    once = f"if not Path({str(lock)!r}).exists():"
    fork = [f"    {line}" for line in forking(child, lock)]
    method = write_method(tmp_path, "forks", once, *fork, end)
    assert run(executor, job(method, 3.0)).status == status
    assert died(lock)


def test_a_trial_that_is_stopped_costs_what_it_spent_and_took(executor, tmp_path):
    method = write_method(
        tmp_path,
        "hangs",
        "self.steps = getattr(self, 'steps', 0) + 1",
        "if self.steps > 60: time.sleep(300)",
    )
    ended = run(executor, job(method, 3.0, fraction=1.0))
    assert (ended.status, ended.reason) == ("timeout", "stopped after 3 s")
    assert ended.cost.gradient_evaluations == 60
    assert 3.0 <= ended.cost.seconds < 10.0


def test_a_trial_whose_process_dies_costs_what_it_spent_and_took(executor, tmp_path):
    method = write_method(
        tmp_path,
        "dies",
        "self.steps = getattr(self, 'steps', 0) + 1",
        "if self.steps > 60:",
        "    time.sleep(0.5)",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    ended = run(executor, job(method, fraction=1.0))
    assert ended.status == "failed"
    assert "died 2 times, last by SIGKILL" in ended.reason
    assert ended.cost.gradient_evaluations == 60
    assert 0.5 <= ended.cost.seconds < 10.0


def test_a_trial_is_not_blamed_for_workers_that_are_killed(executor, tmp_path):
    """From outside, as by a kernel that needs memory: twice would end the trial, were it blamed."""
    count = tmp_path / "count"
    method = write_method(
        tmp_path,
        "orphaned",
        "self.begun = getattr(self, 'begun', False)",
        "if not self.begun:",
        "    self.begun = True",
        f"    with open({str(count)!r}, 'a') as file: file.write('x')",
        f"    if len(Path({str(count)!r}).read_text()) <= 3:",
        "        os.kill(os.getppid(), signal.SIGKILL)",
        "        time.sleep(300)",
    )
    assert run(executor, job(method, fraction=1.0)).status == "completed"
    assert count.read_text() == "xxxx"


def test_a_method_that_kills_its_worker_each_time_fails(executor, tmp_path):
    method = write_method(tmp_path, "kills", "os.kill(os.getppid(), signal.SIGKILL)")
    ended = run(executor, job(method, fraction=1.0))
    assert ended.status == "failed"
    assert "its process died 6 times, last by SIGKILL" in ended.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sys.exit(3)", "SystemExit: 3"),
        ("raise BaseException('enough')", "BaseException: enough"),
        ("os._exit(3)", "its process died 2 times, last by exit code 3"),
        ("os.abort()", "its process died 2 times, last by SIGABRT"),
        ("raise ValueError('lone \\ud800 surrogate')", r"lone \ud800 surrogate"),
        ("raise ValueError('an \\x1b escape')", r"ValueError: an \x1b escape"),
        ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()", "Mute: its text"),
        ("threading.Thread(target=time.sleep, args=(300,)).start(); sys.exit(4)", "SystemExit: 4"),
    ],
)
def test_the_reason_says_what_ended_the_trial(executor, tmp_path, line, reason):
    ended = run(executor, job(write_method(tmp_path, "ends", line)))
    assert ended.status == "failed"
    assert reason in ended.reason
    assert "\n" not in ended.reason


@pytest.mark.parametrize(
    "line",
    [
        "for file in range(3, 64): write(file, b'stray bytes')",
        "for file in range(3, 64): write(file, b'suit' + bytes([0, 0, 0, 2]) + b'{}')",
        "for file in range(3, 64): write(file, b'suit' + bytes([255] * 4))",
        "for file in range(3, 64): write(file, message(attempt=9))",
        "for file in range(3, 64): write(file, message(key=('a study', 'tuning', 1)))",
    ],
    ids=["bytes", "schema", "length", "attempt", "key"],
)
def test_a_wrong_answer_ends_its_trial_only(executor, tmp_path, line):
    method = write_method(
        tmp_path,
        "writes",
        "def write(file, what):",
        "    try: os.write(file, what)",
        "    except OSError: pass",
        "def message(**wrong):",
        "    import json",
        "    said = dict(kind='began', process=1, key=('a study', 'tuning', 0), attempt=1)",
        "    body = json.dumps({**said, **wrong}).encode()",
        "    return b'suit' + len(body).to_bytes(4, 'big') + body",
        line,
    )
    began = time.monotonic()
    ended = run(executor, job(method))
    assert ended.status == "failed"
    assert "its process died 2 times" in ended.reason
    assert time.monotonic() - began < 50, "it was found out at once, not at the time limit"
    fine = write_method(tmp_path, "fine", "pass")
    assert run(executor, job(fine)).status == "completed"


def test_a_method_that_forks_and_goes_on_twice_answers_once(executor, tmp_path):
    method = write_method(tmp_path, "twice", "os.fork()")
    alone = write_method(tmp_path, "alone", "pass")
    assert run(executor, job(method, number=3)).number == 3
    following = run(executor, job(alone, number=4))
    assert (following.number, following.status) == (4, "completed")
    assert executor.next_event(0.5) is None


def test_what_a_pickle_would_run_is_not_run(executor, tmp_path):
    """A method's answer cannot make the starting process do anything."""
    made = tmp_path / "made"
    pickled = f"cos\nsystem\n(S'touch {made}'\ntR."
    method = write_method(
        tmp_path,
        "pickles",
        "for file in range(3, 64):",
        f"    try: os.write(file, {pickled.encode()!r})",
        "    except OSError: pass",
    )
    assert run(executor, job(method)).status == "failed"
    assert not made.exists()


def test_output_is_limited_for_each_trial(executor, log, tmp_path):
    method = write_method(
        tmp_path, "talks", "print('begin of the talk')", "print('x' * 999_999)", "print('the end')"
    )
    before = log.stat().st_size
    assert run(executor, job(method)).status == "completed"
    said = log.read_bytes()[before:].decode()
    assert said.startswith("== talks on tiny_blobs, replicate 0 tuning 0\nbegin of the talk\n")
    assert said.endswith(
        "== talks on tiny_blobs, replicate 0 tuning 0: the rest of its output is left out\n"
    )
    assert "the end" not in said
    assert len(said) < 1_000_200


def test_an_error_that_the_user_can_mend_comes_back_as_it_is(executor, tmp_path):
    executor.submit(job(str(tmp_path / "missing.py")))
    error = wait_for(executor, events.Refused).error
    assert type(error) is UsageError
    assert "no such file" in str(error)


def test_missing_data_comes_back_as_it_is(executor, tmp_path):
    task = tmp_path / "no_data.py"
    source = Path(TINY).read_text().replace('"tiny_blobs"', '"no_data"')
    task.write_text(source.replace("    def data(self, folder, generator):", DATA_IS_MISSING, 1))
    fine = job(write_method(tmp_path, "fine", "pass"))
    trial = Trial(
        **{**vars(fine.trial), "task": "no_data", "files": (str(task), *fine.trial.files)}
    )
    executor.submit(Job("a study", trial, fine.task, 60.0))
    error = wait_for(executor, events.Refused).error
    assert type(error) is MissingData
    assert str(error) == "fetch it first"


DATA_IS_MISSING = """
    def data(self, folder, generator):
        from suite import MissingData
        raise MissingData("fetch it first")

    def draw(self, folder, generator):"""


def test_what_the_schema_refuses_is_named(executor, tmp_path):
    task = tmp_path / "odd_metric.py"
    source = Path(TINY).read_text().replace('"tiny_blobs"', '"odd_metric"')
    task.write_text(source.replace("    classes = 3\n", ODD_METRIC, 1))
    fine = job(write_method(tmp_path, "fine", "pass"))
    trial = Trial(
        **{**vars(fine.trial), "task": "odd_metric", "files": (str(task), *fine.trial.files)}
    )
    ended = run(executor, Job("a study", trial, fine.task, 60.0))
    assert ended.status == "failed"
    assert "top-1" in ended.reason
    assert "died" not in ended.reason


ODD_METRIC = """
    classes = 3

    def evaluate(self, model, split):
        return {**super().evaluate(model, split), "top-1": 0.5}

"""


def test_an_answer_in_time_counts_however_late_it_is_read(executor, tmp_path):
    method = write_method(tmp_path, "slow", "time.sleep(0.2)")
    for number in range(2):
        executor.submit(job(method, 5.0, number))
    wait_for(executor, Reported)
    time.sleep(6)  # blocked for longer than the limit, while the trial ends
    ended = [wait_for(executor, Ended).outcome.run for _ in range(2)]
    assert [(run.number, run.status) for run in ended] == [(0, "completed"), (1, "completed")]


def test_a_worker_that_is_killed_is_replaced_and_its_trial_ends_with_it(tmp_path):
    executor = LocalExecutor(1, Starter(1, tmp_path / "workers.log"))
    lock, flag = tmp_path / "lock", tmp_path / "flag"
    method = write_method(
        tmp_path,
        "kills_its_parent",
        f"if not Path({str(flag)!r}).exists():",
        f"    Path({str(flag)!r}).touch()",
        *(f"    {line}" for line in forking("pass", lock)),
        "    os.kill(os.getppid(), signal.SIGKILL)",
        "    time.sleep(300)",
    )
    try:
        assert run(executor, job(method)).status == "completed"
        assert died(lock)
    finally:
        executor.close()


@pytest.mark.parametrize("victim", ["parent", "worker"])
def test_nothing_is_left_when_the_suite_is_killed(tmp_path, victim):
    lock = tmp_path / "lock"
    method = write_method(tmp_path, "forks", *forking("pass", lock), "time.sleep(300)")
    script = tmp_path / "use.py"
    script.write_text(
        f"import suite\nsuite.run({method!r}, {TINY!r}, protocol='smoke', jobs=1,"
        f" results={str(tmp_path / 'r')!r})\n"
    )
    process = subprocess.Popen(
        [command()[0], str(script)], env=environment(tmp_path / "home"), stderr=subprocess.DEVNULL
    )
    while not lock.exists() or not lock.read_text():
        time.sleep(0.1)
        assert process.poll() is None
    os.kill(process.pid if victim == "parent" else _child_of(process.pid), signal.SIGKILL)
    released = died(lock)
    process.kill()
    process.wait()
    # After the worker's death the trial is tried again, and holds the lock anew.
    assert released or len(lock.read_text().split()) > 1


def _child_of(process: int) -> int:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=True
    )
    return int(listed.stdout.split()[0])


def test_threads_of_one_trial_do_not_slow_the_next(executor, tmp_path):
    """`thread_hog`: three threads left running made the next trial 6.4 times as long."""
    hog = write_method(
        tmp_path,
        "thread_hog",
        "def spin():",
        "    while True: pass",
        "if not getattr(Method, 'hogs', 0):",
        "    Method.hogs = [threading.Thread(target=spin, daemon=True) for _ in range(3)]",
        "    for thread in Method.hogs: thread.start()",
    )
    counts = tmp_path / "threads"
    count = write_method(
        tmp_path, "counts", f"print(threading.active_count(), file=open({str(counts)!r}, 'w'))"
    )
    assert run(executor, job(hog)).status == "completed"
    assert run(executor, job(count)).status == "completed"
    assert counts.read_text() == "1\n"


def test_inline_runs_the_trial_in_this_process(tmp_path):
    pid = tmp_path / "pid"
    method = write_method(tmp_path, "inline", f"print(os.getpid(), file=open({str(pid)!r}, 'w'))")
    executor = InlineExecutor()
    executor.submit(job(method))
    seen = []
    while (event := executor.next_event(0.0)) is not None:
        seen.append(type(event).__name__)
    assert (seen[0], seen[-1]) == ("Started", "Ended")
    assert "Reported" in seen
    assert pid.read_text() == f"{os.getpid()}\n"


def test_inline_and_processes_give_the_same_numbers(executor, tmp_path):
    method = write_method(tmp_path, "plain", "pass")
    found = [run(each, job(method, fraction=1.0)) for each in (executor, InlineExecutor())]
    assert found[0].curve.validation == found[1].curve.validation


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
        assert {run.status for run in (*result.tuning_runs, *result.evaluation_runs)} == {
            "completed"
        }
