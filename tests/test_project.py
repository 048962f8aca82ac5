"""What surrounds the code: dependencies, pins, workflows, the check of submissions."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from suite.components import registry
from tests.commands import ROOT
from tests.test_architecture import FOLDERS, imports, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def requirements(extra: str | None = None) -> dict[str, Requirement]:
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def test_every_import_is_a_declared_dependency() -> None:
    known = importlib.metadata.packages_distributions()
    ours = {*FOLDERS, "suite_tasks", "suite_baselines"}
    declared = set().union(*(requirements(extra) for extra in (None, "text", "slurm", "dask")))
    undeclared = set()
    for folder in FOLDERS:
        for path in sources(folder):
            for found in imports(path):
                package = found.target.split(".")[0]
                if package in ours or package in sys.stdlib_module_names:
                    continue
                distributions = {canonicalize_name(name) for name in known[package]}
                # An extra is imported only by what needs it: "text" to tokenize, "slurm" to submit.
                if not distributions & declared:
                    undeclared.add(f"{found.where}: {package}")
    assert undeclared == set()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("extra", [None, *PROJECT["optional-dependencies"]])
def test_pins_satisfy_the_ranges(extra: str | None) -> None:
    for name, requirement in requirements(extra).items():
        assert requirement.specifier.contains(pins()[name]), requirement


def test_pins_work_elsewhere() -> None:
    for name, version in pins().items():
        assert re.fullmatch(r"[0-9]+(\.[0-9a-z]+)*", version), f"{name}=={version}"


def test_installed_versions_are_the_pinned_ones() -> None:
    """Only for what decides results: their pins say what the numbers were made with."""
    for name in ("torch", "optuna", "pytorch-optimizer", "numpy", "scikit-learn"):
        installed = importlib.metadata.version(name).split("+")[0]
        assert installed == pins()[name], name


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_pinned_and_may_only_read(workflow) -> None:
    text = workflow.read_text(encoding="utf-8")
    actions = re.findall(r"uses: (\S+)", text)
    assert actions
    assert [a for a in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", a)] == []
    assert re.search(r"^permissions:\n  contents: read\n\n", text, re.MULTILINE)
    assert "pull_request_target" not in re.sub(r"#.*", "", text)
    assert text.count("persist-credentials: false") == text.count("actions/checkout@")


def test_only_publishing_may_write_and_only_from_main() -> None:
    for workflow in WORKFLOWS:
        text = workflow.read_text(encoding="utf-8")
        rights = re.findall(r"([\w-]+): write", text)
        assert rights == (["pages", "id-token"] if workflow.stem == "publish" else [])
        assert "secrets." not in text
    publish = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    assert "pull_request" not in publish
    assert "if: github.ref == 'refs/heads/main'" in publish


def test_nothing_committed_names_a_machine_or_a_registry() -> None:
    """Paths and hosts of one machine would break on every other."""
    hosts = "|".join(["pypi" + r"\.org", "files" + r"\.pythonhosted", "download" + r"\.pytorch"])
    wrong = []
    for name in ("pyproject.toml", "tox.ini", "constraints.txt", "README.md", ".ci/run"):
        if re.search(hosts, (ROOT / name).read_text(encoding="utf-8")):
            wrong.append(name)
    assert wrong == []


def test_every_source_parses_on_the_oldest_python() -> None:
    floor = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    for folder in FOLDERS:
        for path in sources(folder):
            ast.parse(path.read_text(encoding="utf-8"), feature_version=floor)


def test_the_page_on_coverage_names_tasks_that_exist():
    known = set(registry.names("task"))
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    text, _, _ = text.partition("## The literature's methods")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) == len({row for row, _ in rows}) == 35
    for row, where in rows:
        named = re.match(r"tasks? ((?:`\w+`(?:, )?)+)", where)
        if named is not None:
            assert set(re.findall(r"`(\w+)`", named[1])) <= known, row
        else:
            assert where.startswith(("**not there**", "column", "the ")), row
