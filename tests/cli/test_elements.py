"""`suite plan` and `suite run --elements`: what a scheduler can rely on."""

from __future__ import annotations

import json
import subprocess

from click.testing import CliRunner

from suite import run
from suite.cli import cli
from suite.errors import UsageError
from suite.execution.inline import InlineExecutor
from suite.results import files as results
from suite.studies.journal import read_entries
from tests.commands import TINY, command, environment, suite
from tests.methods import write_method


def planned(folder, monkeypatch, *methods):
    """Write the elements of smoke studies on the tiny task; returns the file."""
    monkeypatch.setenv("SUITE_HOME", str(folder / "home"))
    chosen = ("--optimizer", ",".join(methods), "--task", TINY, "--protocol", "smoke")
    done = CliRunner().invoke(cli, ["plan", *chosen, "--results", str(folder / "r")])
    assert done.exception is None, done.output
    path = folder / "elements.jsonl"
    path.write_text(done.stdout)
    return path


def test_an_element_gives_the_result_of_a_local_run_and_is_done_then(tmp_path, monkeypatch):
    path = planned(tmp_path, monkeypatch, "sgd", "adamw")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["study"] for line in lines] == ["sgd on tiny_blobs", "adamw on tiny_blobs"]
    element = ("run", "--elements", str(path), "--element", "1", "--jobs", "1")
    done = suite(*element, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    (written,) = (tmp_path / "r" / "tiny_blobs").iterdir()
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "other"))
    local = run(
        "adamw", TINY, protocol="smoke", results=tmp_path / "local", executor=InlineExecutor()
    )
    assert results.read(written).comparable() == local.comparable()
    before = written.stat().st_mtime_ns
    monkeypatch.setenv("SUITE_HOME", str(tmp_path / "home"))
    again = CliRunner().invoke(cli, element, standalone_mode=False)
    assert again.return_value == 0, again.output
    assert f"done already, {written}\n" in again.stdout
    assert written.stat().st_mtime_ns == before


def test_two_processes_on_one_element_run_it_once(tmp_path, monkeypatch):
    hold = tmp_path / "hold"
    hold.touch()
    wait = (f"while Path({str(hold)!r}).exists():", "    time.sleep(0.05)")
    path = planned(tmp_path, monkeypatch, write_method(tmp_path, "waits", *wait))
    output = tmp_path / "output"
    with output.open("wb") as file:
        both = [
            subprocess.Popen(
                command("run", "--elements", str(path), "--element", "0", "--jobs", "1"),
                env=environment(tmp_path / "home"),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            for _ in range(2)
        ]
    try:
        _wait_for(output, "this one waits for its end")
        hold.unlink()
        codes = [process.wait(timeout=120) for process in both]
    finally:
        for process in both:
            process.kill()
    said = output.read_text()
    assert codes == [0, 0], said
    assert "done already" in said
    (journal,) = (tmp_path / "home").rglob("*.journal")
    ended = [entry["finished"] for entry in read_entries(journal) if "finished" in entry]
    assert ended == [[0, "tuning", 0], [0, "evaluation", 0]]


def _wait_for(path, text):
    for _ in range(1200):
        if text in path.read_text():
            return
        subprocess.run(["sleep", "0.1"], check=True)
    raise AssertionError(f"nobody said {text!r}:\n{path.read_text()}")


def test_an_element_takes_no_option_that_it_says_itself(tmp_path):
    (tmp_path / "e.jsonl").touch()
    path = ("--elements", str(tmp_path / "e.jsonl"))
    both = CliRunner().invoke(cli, ["run", *path, "--element", "0", "--force", "--seed", "3"])
    assert isinstance(both.exception, UsageError)
    assert "--seed, --force: the element says what is run" in str(both.exception)
    half = CliRunner().invoke(cli, ["run", *path])
    assert isinstance(half.exception, UsageError)
    assert "--elements FILE and --element NUMBER go together" in str(half.exception)
