"""Starting the command line: quick, and without torch for help, errors and completion."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys

import click
import pytest

import suite
from suite.cli import COMMANDS, cli
from tests.commands import command, environment

LIMIT_SECONDS = 0.25


def cpu_seconds(arguments: list[str], variables: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, env=variables, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_answers_at_once(tmp_path) -> None:
    variables = environment(tmp_path)
    assert min(cpu_seconds(command("--help"), variables) for _ in range(5)) < LIMIT_SECONDS


def test_the_overview_is_the_first_line_of_each_command_s_help() -> None:
    context = click.Context(cli)
    for name, (_, about) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert about == (command.help or "").partition("\n")[0], name


LOOK = """
import sys
from suite.cli import _exit_code
code = _exit_code(sys.argv[1:])
heavy = {"torch", "torchvision", "optuna", "pandas", "matplotlib"} & set(sys.modules)
print("heavy:", sorted(heavy), "code:", code)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        *[([name, "--help"], 0) for name in COMMANDS],
        (["runn"], 2),
        (["run", "--optimizer", "nobody", "--task", "nothing"], 2),
        (["run", "--optimizer", "missing.py"], 2),
        (["run", "--unknown"], 2),
        (["list", "everything"], 2),
        (["show", "nobody"], 2),
        (["new", "optimizer", "Not A Name"], 2),
        (["compare", "a", "--task", "nothing"], 2),
        (["validate", "missing.json"], 2),
        (["data", "fetch", "nothing"], 2),
        (["data", "check", "nothing"], 2),
        (["leaderboard", "build", "--results", "missing"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_help_and_errors_import_nothing_heavy(tmp_path, arguments, code) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert f"heavy: [] code: {code}" in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert code == 0 or done.stderr.strip()


PLAN = """
import sys
from suite.cli import _exit_code
code = _exit_code(sys.argv[1:])
slow = {"torch._dynamo", "sklearn", "scipy", "pandas", "matplotlib"} & set(sys.modules)
print("slow:", sorted(slow), "code:", code)
"""


def test_a_plan_does_not_import_torchs_compiler_or_what_only_results_need(tmp_path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PLAN,
            *["run", "--optimizer", "adamw", "--task", "modular_addition", "--dry-run"],
        ],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "1 of 1 studies to run, about" in done.stdout, done.stderr
    assert "slow: [] code: 0" in done.stdout


def complete(tmp_path, words: str) -> tuple[list[str], str]:
    """What bash is offered for the last of some words, and what was imported meanwhile."""
    variables = environment(tmp_path) | {
        "_SUITE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "suite.cli"],
        env=variables,
        capture_output=True,
        text=True,
    )
    offered = [line.split(",", 1)[1] for line in done.stdout.splitlines() if "," in line]
    return offered, done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("suite ru", "run"),
        ("suite run --optimizer ada", "adamw"),
        ("suite run --task modu", "modular_addition"),
        ("suite show grok", "grokfast_ema"),
        ("suite list opt", "optimizers"),
        ("suite data fetch fash", "fashion_mnist"),
    ],
)
def test_completion_knows_names_without_torch(tmp_path, words, expected) -> None:
    offered, imported = complete(tmp_path, words)
    assert expected in offered
    assert "suite.cli" in imported
    assert not re.search(r"\| +torch(\.|$)", imported, re.MULTILINE)


def test_version(tmp_path) -> None:
    done = subprocess.run(
        command("--version"), env=environment(tmp_path), capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert lines[0] == f"suite {suite.__version__}"
    assert [line.split()[0] for line in lines] == ["suite", "torch", "optuna"]
    assert all(line.split()[1][0].isdigit() for line in lines)


def test_a_closed_pipe_is_no_error(tmp_path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command("--help"), env=environment(tmp_path), stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr


def test_python_m_suite_is_the_command(tmp_path) -> None:
    arguments = [sys.executable, "-m", "suite", "--version"]
    done = subprocess.run(arguments, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("suite ")
