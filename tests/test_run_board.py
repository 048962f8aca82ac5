"""The command that measures a board: real studies, killed by real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import filelock

from scripts.boards import BOARDS, MINI, STANDARD, every_method
from suite.components import registry
from suite.components.method import parse_method
from suite.results import files
from tests.commands import ROOT, TINY, environment, suite
from tests.methods import write_method


def command(results: Path, *arguments: str) -> list[str]:
    fixed = ["--board", "smoke-core", "--results", str(results), "--task", TINY, "--jobs", "1"]
    return [sys.executable, "-m", "scripts.run_board", *fixed, *arguments]


def run_board(
    folder: Path, *arguments: str, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder / "results", *arguments),
        env=environment(folder / "home"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def made(folder: Path) -> dict[str, str]:
    """Method to the digest of its result."""
    results = map(files.read, files.find(folder / "results"))
    return {result.method.name: result.digest for result in results}


def test_one_command_measures_the_methods_of_a_board_and_skips_them_afterwards(
    tmp_path: Path,
) -> None:
    chosen = ["--only", "adamw", "--only", "lion", "--only", "adamw@cosine"]
    listed = run_board(tmp_path, *chosen, "--list")
    assert listed.returncode == 0, listed.stderr
    assert "0 of 3 methods are complete, 0 cannot be. Studies: 3 missing." in listed.stdout
    assert not list(files.find(tmp_path / "results"))

    first = run_board(tmp_path, *chosen)
    assert first.returncode == 0, first.stderr
    assert set(made(tmp_path)) == {"adamw", "lion", "adamw@cosine"}
    assert first.stderr.splitlines()[0].startswith("[1 of 3 studies, about ")
    assert "adamw on tiny_blobs: wrote" in first.stderr.splitlines()[0]
    assert "3 of 3 methods are complete" in first.stdout


def test_a_method_that_raises_or_hangs_stops_no_other_and_is_not_tried_again(
    tmp_path: Path,
) -> None:
    raises = write_method(tmp_path, "raises", "raise RuntimeError('no such thing')")
    hangs = write_method(tmp_path, "hangs", "time.sleep(600)")
    refuses = write_method(
        tmp_path, "refuses", "from suite import NotApplicable", "raise NotApplicable('needs more')"
    )
    chosen = ["--file", raises, "--file", hangs, "--file", refuses, "--only", "adamw"]
    chosen += ["--only", "raises", "--only", "hangs", "--only", "refuses", "--only", "sgd"]
    chosen += ["--patience", "40"]
    first = run_board(tmp_path, *chosen)
    assert first.returncode == 1
    assert set(made(tmp_path)) == {"adamw", "sgd"}
    assert "no such thing" in first.stdout
    assert "tuning trial 0 had not ended after 40 s" in first.stdout
    assert "Traceback" not in first.stdout + first.stderr
    assert "Studies: 2 done, 2 failed, 1 not applicable." in first.stdout

    # Mended: the code is another, so it runs without being asked for; the other is not tried again.
    write_method(tmp_path, "raises", "pass")
    second = run_board(tmp_path, *chosen)
    assert second.returncode == 1
    assert set(made(tmp_path)) == {"adamw", "sgd", "raises"}
    assert "Studies: 3 done, 1 failed, 1 not applicable." in second.stdout
    assert "failed" not in second.stderr, "it was tried again"

    again = run_board(tmp_path, *chosen, "--again", "--list")
    assert "missing: hangs on tiny_blobs" in again.stdout


def test_ended_by_a_signal_it_goes_on_with_what_is_left(tmp_path: Path) -> None:
    go_on = tmp_path / "go_on"
    slow = write_method(
        tmp_path, "slow", f"while not Path({str(go_on)!r}).exists():", "    time.sleep(0.05)"
    )
    chosen = ["--file", slow, "--only", "adamw", "--only", "slow"]
    kept = {}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            command(tmp_path / "results", *chosen),
            env=environment(tmp_path / "home"),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running = tmp_path / "home" / "logs"
        assert process.stderr is not None
        if not kept:
            assert "adamw on tiny_blobs: wrote" in process.stderr.readline()
            kept = made(tmp_path)
        else:
            wait_for(lambda: list(running.glob(f"workers-{process.pid}.log")))  # noqa: B023
        process.send_signal(number)
        output, errors = process.communicate(timeout=300)
        if number == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 130, errors
            assert "the same command goes on where it stopped" in errors
            assert "Studies: 1 done, 1 missing." in output
        assert made(tmp_path) == kept

    go_on.touch()
    rest = run_board(tmp_path, *chosen)
    assert rest.returncode == 0, rest.stderr
    assert made(tmp_path)["adamw"] == kept["adamw"]
    assert set(made(tmp_path)) == {"adamw", "slow"}
    assert len(rest.stderr.splitlines()) == 1


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_minutes_end_a_run_that_has_more_to_do(tmp_path: Path) -> None:
    slow = write_method(tmp_path, "slow", "time.sleep(5)")
    chosen = ["--file", slow, "--only", "slow", "--minutes", "0.05"]
    stopped = run_board(tmp_path, *chosen)
    assert stopped.returncode == 3
    assert "The minutes are over" in stopped.stderr
    assert "1 missing." in stopped.stdout


def test_results_of_other_code_stay_until_their_successors_exist(tmp_path: Path) -> None:
    method = write_method(tmp_path, "edited", "pass")
    chosen = ["--file", method, "--only", "edited"]
    assert run_board(tmp_path, *chosen).returncode == 0
    (path,) = files.find(tmp_path / "results")
    old = files.read(path)

    write_method(tmp_path, "edited", "assert closure is not None")
    told = run_board(tmp_path, *chosen)
    assert told.returncode == 0
    assert "1 were measured with other code or rules: --replace runs them again." in told.stdout
    assert files.read(path) == old

    # Killed between the new file and the removal of the old one: both are there.
    assert suite_run(tmp_path, method).returncode == 0
    assert len(list(files.find(tmp_path / "results"))) == 2

    replaced = run_board(tmp_path, *chosen, "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert "wrote" not in replaced.stderr
    assert list(files.find(tmp_path / "results")) == [path]
    new = files.read(path)
    assert new.method.components[0].source_hash != old.method.components[0].source_hash
    assert new.scores == old.scores


def suite_run(folder: Path, method: str) -> subprocess.CompletedProcess[str]:
    where = ["--results", str(folder / "results")]
    return suite("run", "-o", method, "-t", TINY, "-p", "smoke", *where, home=folder / "home")


def test_whatever_is_published_can_be_brought_up_to_date(tmp_path: Path) -> None:
    """A result of a registered method and task, edited so that other code seems to have made it."""
    arguments = ["-o", "sgd", "-t", "digits", "-p", "smoke", "--seed", "4"]
    results = tmp_path / "results"
    suite("run", *arguments, "--results", str(results), home=tmp_path / "home")
    (path,) = files.find(results)
    made_now = files.read(path)
    content = made_now.model_dump(mode="json")
    content["method"]["components"][0]["source_hash"] = "0" * 16
    del content["digest"], content["schema_version"]
    files.write(files.seal(content), path)

    published = [sys.executable, "-m", "scripts.run_board", "--board", "published", "--replace"]
    done = subprocess.run(
        [*published, "--results", str(results), "--jobs", "1"],
        env=environment(tmp_path / "fresh"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert list(files.find(results)) == [path]
    again = files.read(path)
    assert again.seed == 4
    assert again.method == made_now.method
    assert again.scores == made_now.scores


def test_only_one_process_runs_a_board(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "boards"
    folder.mkdir(parents=True)
    with filelock.FileLock(folder / "smoke-core.lock"):
        refused = run_board(tmp_path, "--only", "adamw")
    assert refused.returncode == 2
    assert refused.stderr == "run_board: another process is running the board smoke-core.\n"


def test_a_pattern_that_fits_nothing_is_an_error(tmp_path: Path) -> None:
    refused = run_board(tmp_path, "--only", "adamv")
    assert refused.returncode == 2
    assert refused.stderr == "run_board: no study of the board smoke-core fits adamv.\n"


def test_every_component_is_on_the_board_and_no_method_twice() -> None:
    names = list(every_method())
    assert len(set(names)) == len(names)
    on_board = {component.name for name in names for component in parse_method(name).components}
    registered = {
        n for kind in ("optimizer", "regularizer", "schedule") for n in registry.names(kind)
    }
    assert registered - on_board == {"constant"}
    assert "sgd+sam" in names, "its paper's results are with SGD"
    assert "sgd+grokfast_ma" not in names, "its paper's results are with AdamW"


def test_the_chosen_lists_name_methods_of_the_board() -> None:
    assert len(set(STANDARD)) == len(STANDARD) >= 40
    assert len(set(MINI)) == len(MINI) == 10
    assert set(STANDARD) | set(MINI) <= set(every_method())
    assert set(MINI) <= set(STANDARD)


def test_boards_show_tasks_of_the_mini_track_only() -> None:
    tasks, _ = registry.load_all("task")
    shown = {board.name: {task for task in tasks if board.shows(task)} for board in BOARDS.values()}
    assert shown["quick-core"] == {task for task in tasks if task.core and task.track == "mini"}
    assert shown["quick-core"] < shown["quick-mini"]
    assert {task.track for task in shown["quick-mini"]} == {"mini"}
