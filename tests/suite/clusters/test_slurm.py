"""Studies in the queue of a real Slurm: killed, drained, left and rejoined, and nothing is lost."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from suite import run
from suite.cli import cli
from suite.clusters import queue
from suite.clusters.coordinator import Asked, Coordinator
from suite.clusters.queue import Resources
from suite.components.method import make_method
from suite.errors import StudyStopped, UsageError
from suite.execution.executor import Ended, Started
from suite.execution.inline import InlineExecutor
from suite.results import files as results
from suite.studies.elements import element_of, text_of
from suite.studies.journal import read_entries
from suite.studies.plan import Plan, find_task, make_plan
from suite.studies.protocol import get_protocol
from tests.commands import ROOT, TINY, command, environment
from tests.methods import write_method
from tests.slurm import one_node, why_no_slurm

pytestmark = pytest.mark.skipif(why_no_slurm() is not None, reason=str(why_no_slurm()))

#: one core for each element, so that four run at a time
SMALL = Asked(Resources({"mem": "1G", "time": "10"}), jobs=1, keep_going=False)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    # Not below the test's own folder: the path of a socket is at most a hundred characters long.
    folder = tmp_path_factory.mktemp("slurm")
    with one_node(folder) as found:
        yield found


@pytest.fixture
def home(tmp_path, monkeypatch, node):
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path / "home"


def smoke(folder: Path, optimizer: str, **settings) -> Plan:
    return make_plan(
        make_method(optimizer),
        find_task(TINY),
        get_protocol("smoke"),
        **{"seed": 0, "device": "cpu", "threads": 1, **settings},
        results=folder / "r",
        data=folder / "d",
    )


def jobs() -> list[str]:
    """The states of all jobs that Slurm remembers, oldest first."""
    asked = ["squeue", "-h", "--array", "--states=all", "--sort=i", "-o", "%j %T"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()


def finished(plan: Plan) -> list[list[object]]:
    return [entry["finished"] for entry in read_entries(plan.journal) if "finished" in entry]


def local(folder: Path, monkeypatch, optimizer: str):
    """The result of this machine alone."""
    monkeypatch.setenv("SUITE_HOME", str(folder / "elsewhere"))
    return run(
        optimizer, TINY, protocol="smoke", results=folder / "local", executor=InlineExecutor()
    )


def start_at_once(name: str) -> None:
    """Let a job that was put back start, for which Slurm waits two minutes.

    It is asked until it has started: as long as the job still ends, the request may be refused.
    Not in the second in which it was put back: the node would take it for the job that has ended.
    """
    asked = ["squeue", "-h", "--name", name, "-o", "%A"]
    number = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    waited = False
    for _ in range(300):
        waits = queue.states([name]) == {(name, 0): "PENDING"}
        if waits and not waited:
            time.sleep(3.0)
        elif waits:
            change = ["scontrol", "update", f"JobId={number}", "StartTime=now"]
            subprocess.run(change, capture_output=True)
        elif waited:
            return
        waited = waits
        time.sleep(0.2)


def new_process(argument: str, known: set[int]) -> int:
    """The process with this argument that was not there before, once it has begun."""
    for _ in range(900):
        new = set(processes_with(argument)) - known
        if new:
            return new.pop()
        time.sleep(0.1)
    raise AssertionError(f"no new process with {argument}")


def processes_with(argument: str) -> list[int]:
    """The processes that were started with this argument."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if argument in place.read_text(errors="replace").split("\0"):
                found.append(int(place.parent.name))
    return found


class Breaks:
    """A view that breaks something each time a trial starts."""

    def __init__(self, *breaks) -> None:
        self._breaks = list(breaks)
        self.said: list[str] = []

    def opened(self, study) -> None:
        self.said.append("opened")

    def event(self, study, event) -> None:
        if isinstance(event, Started) and self._breaks:
            self._breaks.pop(0)()
        if isinstance(event, Ended):
            self.said.append(f"{event.job.trial.purpose} {study.done}/{study.trials}")

    def closed(self, study) -> None:
        self.said.append("closed")


def test_drained_preempted_killed_and_rejoined_it_gives_the_result_of_one_machine(
    home, tmp_path, monkeypatch, node
):
    hold = tmp_path / "hold"
    method = write_method(
        tmp_path,
        "held",
        f"while Path({str(hold)!r}).exists():",
        "    time.sleep(0.05)",
    )
    plan = smoke(tmp_path, method)
    monkeypatch.setattr("suite.clusters.coordinator._LAST_POLL", 2.0)
    coordinator = Coordinator([plan], SMALL)
    node.drain()
    assert coordinator.begin(force=False) == (1, 0)
    (name,) = coordinator.arrays
    assert queue.states([name]) == {(name, 0): "PENDING"}
    threading.Timer(1.0, node.resume).start()
    hold.touch()

    element, seen = str(home / "slurm" / name / "elements.jsonl"), set()

    def preempt() -> None:
        """As Slurm does it: all processes of the job get the signal, and the job is put back."""
        seen.update(processes_with(element))
        subprocess.run(["scancel", "--name", name, "--signal=USR2"], check=True)
        threading.Thread(target=start_at_once, args=(name,), daemon=True).start()

    def kill() -> None:
        """A second coordinator finds the job; then the element dies, and all that it started."""
        assert Coordinator([plan], SMALL).begin(force=False) == (0, 1)
        with pytest.raises(UsageError, match="held on tiny_blobs is in Slurm's queue"):
            Coordinator([plan], SMALL).begin(force=True)
        os.kill(new_process(element, seen), signal.SIGKILL)
        hold.unlink()

    view = Breaks(preempt, kill)
    (result,) = coordinator.watch(view)
    assert not isinstance(result, StudyStopped), result
    assert view.said == ["opened", "tuning 1/2", "evaluation 2/2", "closed"]
    assert finished(plan) == [[0, "tuning", 0], [0, "evaluation", 0]]
    mine = [line.split() for line in jobs()]
    again = [other for other in coordinator.arrays if other != name]
    assert [state for job, state in mine if job == name] == ["FAILED"]
    assert len(again) == 1
    assert results.read(plan.result_path()[0]) == result
    assert result.environment.cpu
    assert local(tmp_path, monkeypatch, method).comparable() == result.comparable()


def test_fifty_trials_with_a_killed_element_give_the_result_of_one_machine(
    home, tmp_path, monkeypatch, held
):
    plan = make_plan(
        make_method(held.method), find_task(TINY), get_protocol("standard"), seed=0, device="cpu",
        threads=1, results=tmp_path / "r", data=tmp_path / "d",
    )  # fmt: skip
    monkeypatch.setattr("suite.clusters.coordinator._LAST_POLL", 2.0)
    coordinator = Coordinator([plan], Asked(SMALL.resources, jobs=2, keep_going=False))
    assert coordinator.begin(force=False) == (1, 0)
    (name,) = coordinator.arrays
    kept = []

    class Kills(Breaks):
        def event(self, study, event) -> None:
            super().event(study, event)
            if study.done >= 10 and not kept:
                held.hold.touch()  # so that trials run when it dies
                (process,) = processes_with(str(home / "slurm" / name / "elements.jsonl"))
                os.kill(process, signal.SIGKILL)
                kept.extend(finished(plan))
                held.hold.unlink()

    (result,) = coordinator.watch(Kills())
    assert result.comparable() == held.result.comparable()
    assert 10 <= len(kept) < 50
    assert finished(plan)[: len(kept)] == kept
    assert len(finished(plan)) == len({tuple(place) for place in finished(plan)}) == 50
    assert coordinator.arrays != [name]  # it was submitted again


def test_a_killed_command_is_rejoined_and_a_failing_method_is_not_tried_again(home, tmp_path):
    hold = tmp_path / "hold"
    hold.touch()
    wait = (f"while Path({str(hold)!r}).exists():", "    time.sleep(0.05)")
    waits = write_method(tmp_path, "waits", *wait)
    fails = write_method(tmp_path, "fails", "raise ValueError('no such thing')")
    arguments = (
        *("run", "--optimizer", waits, "--optimizer", fails, "--task", TINY),
        *("--protocol", "smoke", "--results", str(tmp_path / "r")),
        *("--on", "slurm", "--slurm", "mem=1G", "--slurm", "time=10"),
    )
    first = subprocess.Popen(
        command(*arguments), env=environment(home), stderr=subprocess.PIPE, text=True
    )
    for line in first.stderr:
        if "fails on tiny_blobs: stopped" in line:
            break
    arrays = {line.split()[0] for line in jobs()}
    first.kill()
    first.wait()
    again = subprocess.Popen(
        command(*arguments),
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "errors").open("wb"),
        text=True,
    )
    said = next(line for line in again.stdout if line.startswith("Slurm: "))
    hold.unlink()
    again.stdout.read()
    assert again.wait(timeout=120) == 1
    # A new command tries again what failed, since it may be mended; but one command does not.
    assert "1 of 2 studies submitted, 1 were there already" in said
    assert len({line.split()[0] for line in jobs()} - arrays) == 1
    errors = (tmp_path / "errors").read_text()
    assert "ValueError: no such thing" in errors
    assert "Traceback" not in errors
    (written,) = (tmp_path / "r" / "tiny_blobs").iterdir()
    assert results.read(written).method.name == "waits"


def test_ctrl_c_leaves_the_studies_and_says_how_to_rejoin(home, tmp_path, monkeypatch):
    def interrupted(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(queue, "submit", lambda *_, **__: None)
    monkeypatch.setattr(Coordinator, "watch", interrupted)
    arguments = ["run", "--optimizer", "sgd", "--task", TINY, "--protocol", "smoke"]
    arguments += ["--on", "slurm", "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.return_value == 130
    (array,) = (path.name for path in (home / "slurm").iterdir() if path.is_dir())
    assert f"Left. The studies go on in Slurm as {array}. The same command shows" in done.stderr
    assert f"`scancel --name {array}`" in done.stderr


def test_an_array_of_the_page_on_clusters_runs_elements(home, tmp_path):
    """`sbatch --wrap` as `docs/clusters.md` shows it, with this checkout as `suite`."""
    page = (ROOT / "docs" / "clusters.md").read_text()
    shown = next(line for line in page.splitlines() if "sbatch --array=0-29" in line)
    recipe = shown.split("`")[1].replace("0-29", "0")
    assert recipe.count("suite run") == 1
    plan = smoke(tmp_path, "sgd")
    (tmp_path / "elements.jsonl").write_text(text_of([element_of(plan, keep_going=False)]))
    suite = f"{shlex.quote(sys.executable)} -P -m suite.cli"
    arguments = shlex.split(recipe.replace("suite run", f"{suite} run"))
    subprocess.run([*arguments, "--wait", "--mem=1G"], cwd=tmp_path, check=True)
    assert plan.finished() is not None


# -- without a queue --------------------------------------------------------------------------


def test_arrays_are_as_long_as_the_site_allows_and_gpus_are_apart(home, tmp_path, monkeypatch):
    assert queue.longest_array() == 4  # what the configuration of the tests says
    submitted = []
    monkeypatch.setattr(
        queue,
        "submit",
        lambda name, elements, resources, **more: submitted.append((elements, more)),
    )
    plans = [smoke(tmp_path, "sgd", seed=seed) for seed in range(9)]
    plans += [smoke(tmp_path, "sgd", device="cuda", elsewhere=True)]
    asked = Asked(Resources({}), jobs=3, keep_going=False)
    assert Coordinator(plans, asked).begin(force=False) == (10, 0)
    assert [len(elements) for elements, _ in submitted] == [4, 4, 1, 1]
    assert [more["gpus"] for _, more in submitted] == [0, 0, 0, 1]
    # Two trials, three at a time, of a task that gives each a minute; and five minutes more.
    assert {(more["minutes"], more["cores"]) for _, more in submitted} == {(6, 3)}
    assert len({plan.journal.with_suffix(".slurm").read_text() for plan in plans}) == 10


def test_what_slurm_refuses_is_one_line(home, tmp_path):
    asked = Asked(Resources({"partition": "nowhere", "time": "5"}), jobs=1, keep_going=False)
    with pytest.raises(Exception, match=r"^Slurm refused the jobs: .*nvalid partition") as refused:
        Coordinator([smoke(tmp_path, "sgd")], asked).begin(force=False)
    assert "\n" not in str(refused.value)


def test_a_slurm_that_does_not_answer_says_nothing_about_jobs(home, tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert queue.states(["suite-x"]) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"array": "0-3"}, "the suite sets that itself"),
        ({"no-requeue": "1"}, "the suite sets that itself"),
        ({"time": "1-00:00:00"}, "--slurm time=1-00:00:00: a whole number of minutes"),
        ({"parallel": "0"}, "--slurm parallel=0: a whole number"),
        ({"mem": "1G\n#SBATCH --uid=0"}, "NAME=VALUE, as a long option of sbatch"),
        ({"Mem": "1G"}, "NAME=VALUE, as a long option of sbatch"),
    ],
)
def test_resources_that_sbatch_would_not_mean(given, said):
    with pytest.raises(UsageError, match=said):
        Resources(given)


def test_two_coordinators_submit_a_study_that_died_once(tmp_path, monkeypatch):
    """They watch the same study from two machines; the queue is a dictionary here."""
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    plan = smoke(tmp_path, "sgd")
    submitted: list[str] = []
    states: dict[tuple[str, int], str] = {}

    def submit(name, *_, **__):
        submitted.append(name)
        states[name, 0] = "RUNNING"

    monkeypatch.setattr(queue, "submit", submit)
    monkeypatch.setattr(queue, "longest_array", lambda: 10)
    monkeypatch.setattr(
        queue, "states", lambda names: {k: v for k, v in states.items() if k[0] in names}
    )
    asked = Asked(Resources({}), 1, False)
    one, other = Coordinator([plan], asked), Coordinator([plan], asked)
    assert one.begin(force=False) == (1, 0)
    assert other.begin(force=False) == (0, 1)
    states[submitted[0], 0] = "FAILED"
    for coordinator in (one, other):
        # Each has seen that it died, and goes to submit it again.
        coordinator._submit([p for p in [plan] if coordinator._is_mine(p)])
    assert len(submitted) == 2
    assert one.arrays == other.arrays == [submitted[1]]
