"""Every example in README and docs runs, and every table there says what the code says.

A `console` block's lines that begin with `$ ` are commands, a `python` block is run (with
`file=NAME` it is written to that file), both in one temporary folder a page. Studies run at the
smoke protocol. A block that does not run has a comment before it: `<!-- illustration: why -->`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from suite.results.model import Run
from suite.studies.protocol import PROTOCOLS
from suite.training.costs import COSTS
from tests.commands import ROOT, environment

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(
    r"(?P<mark><!-- illustration: (?P<why>[^>]+) -->\n)?```(?P<info>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block: its language, the file it is written to, its text, why it does not run."""

    language: str
    file: str
    text: str
    illustration: str


def blocks(page: Path) -> list[Block]:
    found = []
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        language, _, rest = match["info"].partition(" ")
        found.append(Block(language, rest.removeprefix("file="), match["text"], match["why"] or ""))
    return found


def with_examples() -> list[Path]:
    return [page for page in PAGES if any(not block.illustration for block in blocks(page))]


@pytest.fixture
def user(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An empty folder, and an environment in which `suite` is this checkout's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    launcher = programs / "suite"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m suite.cli "$@"\n')
    launcher.chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    variables = environment(tmp_path / "home")
    return folder, {**variables, "PATH": f"{programs}{os.pathsep}{variables['PATH']}"}


@pytest.mark.parametrize("page", with_examples(), ids=lambda page: page.stem)
def test_examples_run(page: Path, user: tuple[Path, dict[str, str]]) -> None:
    folder, variables = user
    for block in blocks(page):
        if block.illustration:
            continue
        assert block.language in ("console", "python"), f"{page}: mark or run:\n{block.text}"
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            run([sys.executable, "-c", block.text], folder, variables)
        else:
            for line in block.text.splitlines():
                if line.startswith("$ "):
                    run(quickly(shlex.split(line[2:])), folder, variables)


def quickly(command: list[str]) -> list[str]:
    """The same command; a study at the smoke protocol."""
    if command[:2] == ["suite", "run"] and not {"--protocol", "--help"} & set(command):
        return [*command, "--protocol", "smoke", "--jobs", "1"]
    return command


def run(command: list[str], folder: Path, variables: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"


def test_a_failing_example_fails(user: tuple[Path, dict[str, str]]) -> None:
    folder, variables = user
    with pytest.raises(AssertionError, match="nobody"):
        run(["suite", "show", "nobody"], folder, variables)


def test_readme_shows_a_study_of_the_first_command() -> None:
    """The command after the installation is also among the examples that run."""
    first = blocks(ROOT / "README.md")[0].text.strip()
    command = first.split("&& .venv/bin/")[-1]
    ran = [
        line
        for b in blocks(ROOT / "README.md")
        if not b.illustration
        for line in b.text.split("\n")
    ]
    assert f"$ {command}" in ran


def test_ci_runs_the_readmes_test_command() -> None:
    second = blocks(ROOT / "README.md")[1].text.strip()
    assert second in (ROOT / ".ci" / "run").read_text().splitlines()


def test_links_lead_somewhere() -> None:
    broken = []
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def table(page: str, header: str) -> dict[str, list[str]]:
    """A table's rows by their first cell."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = text[text.index(header) :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {first: rest for first, *rest in cells}


def test_protocol_table() -> None:
    said = table("protocol.md", "| protocol | version |")
    assert said == {
        p.name: [
            str(p.version),
            str(p.trials),
            str(p.seeds),
            str(p.generation),
            f"{p.budget_fraction:g}",
            "yes" if p.ranked else "no",
        ]
        for p in PROTOCOLS.values()
    }


def test_cost_table() -> None:
    rows = table("protocol.md", "| what a method asks for")
    fractions = {"1/3": 1 / 3, "1": 1.0, "3": 3.0}
    said = {what.split(":")[0]: fractions[cost] for what, (cost,) in rows.items()}
    assert said == pytest.approx(COSTS)


def test_status_table() -> None:
    said = table("protocol.md", "| status | meaning")
    statuses = Run.model_json_schema()["properties"]["status"]["enum"]
    assert list(said) == statuses


def test_result_fields_are_all_explained() -> None:
    from suite.results.model import Result

    text = (ROOT / "docs" / "result-format.md").read_text(encoding="utf-8")
    assert [name for name in Result.model_fields if f"`{name}`" not in text] == []
