"""Every example in README and docs runs, and every table there says what the code says.

A `console` block's lines that begin with `$ ` are commands, a `python` block is run (with
`file=NAME` it is written to that file), both in one temporary folder a page. Studies run at the
smoke protocol. A block that does not run has a comment before it: `<!-- illustration: why -->`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from suite.checking.checks import CHECKS, check_component
from suite.components import registry
from suite.components.regularizer import HOOKS, TaskInfo
from suite.results.model import Run
from suite.studies.protocol import PROTOCOLS
from suite.training.audit import measure
from suite.training.costs import COSTS
from suite.training.loop import run_trial
from suite.training.objective import Objective
from suite.training.trial import Trial
from tests.checked import from_file
from tests.commands import ROOT, environment
from tests.samples import write_published

_FIRST = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md")]
PAGES = [*_FIRST, *sorted((ROOT / "docs").glob("*.md"))]
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
    write_published(tmp_path / "home")
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


def test_the_tutorial_runs(user: tuple[Path, dict[str, str]]) -> None:
    """Its cells one after the other, and it is committed without what they printed."""
    folder, variables = user
    cells = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    programs = [cell for cell in cells if cell["cell_type"] == "code"]
    assert programs
    assert all(cell["outputs"] == [] for cell in programs)
    text = "\n".join("".join(cell["source"]) for cell in programs)
    run([sys.executable, "-c", text], folder, {**variables, "MPLBACKEND": "agg"})


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
            str(p.replicates),
            str(p.trials),
            str(p.seeds),
            str(p.generation),
            p.sampler,
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


# -- methods in docs ------------------------------------------------------------------------------


def method_files() -> list[Block]:
    found = [b for page in ("submit.md", "hooks.md") for b in blocks(ROOT / "docs" / page)]
    return [block for block in found if block.file]


@pytest.mark.parametrize("block", method_files(), ids=lambda block: block.file)
def test_every_method_in_docs_runs_and_pays_for_what_it_computes(
    block: Block, tmp_path: Path
) -> None:
    """Each file as it is, at its defaults; those that follow tasks on a task that has several."""
    path = tmp_path / block.file
    path.write_text(block.text, encoding="utf-8")
    (component,) = registry.load_file(path)
    try:
        done = ran(component, path)
    finally:
        registry._registry.extra_files.remove(path)
        del registry._registry.found[component.kind, component.name]
    assert component.summary
    assert (done.status, done.reason) == ("completed", None)


def ran(component: registry.Component, path: Path) -> Run:
    chosen = [registry.get("optimizer", "sgd")] if component.kind != "optimizer" else []
    if component.kind == "schedule":
        chosen = [registry.get("optimizer", "adamw")]
    parts = [*chosen, component]
    trial = Trial(
        task="split_digits" if "on_task_change" in path.read_text() else "digits",
        components=tuple((c.kind, c.name) for c in parts),
        hyperparameters={c.name: c.defaults for c in parts},
        number=0,
        seed=1,
        purpose="evaluation",
        budget_fraction=0.05,
        data_folder=str(path.parent),
        files=(str(path),),
    )
    return run_trial(trial, audit=measure(trial)).run


def test_every_hook_and_every_answer_of_the_objective_is_in_docs() -> None:
    text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    offered = [n for n in vars(Objective) if not n.startswith("_")]
    assert [n for n in [*HOOKS, *offered] if f"`{n}" not in text and f" `{n}(" not in text] == []
    fields = [field.name for field in dataclasses.fields(TaskInfo)]
    assert [name for name in fields if f"`{name}`" not in text] == []


def test_table_of_checks() -> None:
    said = table("submit.md", "| check | what must hold |")
    assert list(said) == [check.title for check in CHECKS]


@pytest.mark.parametrize("block", method_files(), ids=lambda block: block.file)
def test_every_method_in_docs_passes_the_checks(block: Block, tmp_path: Path) -> None:
    """Readers copy them."""
    tested = from_file(tmp_path, block.text, Path(block.file).stem)
    assert [verdict for verdict in check_component(tested) if verdict.failed] == []
