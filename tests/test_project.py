"""What surrounds the code: dependencies, pins, workflows, the check of submissions."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from suite.components import registry
from suite.results.files import read, seal, write
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
    declared = {*requirements(), *requirements("text")}
    undeclared = set()
    for folder in FOLDERS:
        for path in sources(folder):
            for found in imports(path):
                package = found.target.split(".")[0]
                if package in ours or package in sys.stdlib_module_names:
                    continue
                distributions = {canonicalize_name(name) for name in known[package]}
                # suite.data.tokens imports the extra "text" only when it tokenizes
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


@pytest.fixture(scope="module")
def submission():
    spec = importlib.util.spec_from_file_location(
        "check_submission", ROOT / "scripts" / "check_submission.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_submission_check_plans(submission) -> None:
    files = [
        "baselines/optimizers/lion.py",
        "baselines/regularizers/sam.py",
        "tasks/operations.py",
        "tasks/cifar.py",
        "results/digits/lion.quick.json",
        "results/schema.json",
        "suite/training.py",
    ]
    planned = submission.checks(files)
    assert sorted({check.file for check in planned}) == sorted(files[:5])
    lion, sam, *tasks, results = planned
    assert lion.arguments[:3] == ["run", "--optimizer", str(ROOT / files[0])]
    assert "--regularizer" in sam.arguments
    assert results.arguments == ["validate", str(ROOT / files[4])]
    assert "cifar10" not in lion.arguments
    # Every task of a file by its name: mini tasks run, full ones are shown.
    named = {check.title: check.arguments for check in tasks}
    assert named["tasks/cifar.py: cifar10"] == ["show", "cifar10"]
    runs = [check.arguments for check in tasks if check.file == "tasks/operations.py"]
    assert len(runs) > 1
    assert {"run", "smoke"} <= set(lion.arguments) & set(sam.arguments) & set(runs[0])
    _, output = submission.run_suite([*runs[0], "--dry-run"])
    assert runs[0][4] in output


def test_submission_check_refuses_a_result_of_another_version(submission, tmp_path) -> None:
    name = "results/xor_cluster/adamw.quick.json"
    assert submission.of_this_checkout(ROOT / name, "ok\n") == (0, "ok\n")
    content = read(ROOT / name).model_dump(mode="json", exclude={"digest", "schema_version"})
    content["task"]["version"] = 99
    write(seal(content), tmp_path / "adamw.quick.json")
    code, said = submission.of_this_checkout(tmp_path / "adamw.quick.json", "ok\n")
    assert code == 1
    assert "made for version 99 of xor_cluster" in said
    content["task"]["name"] = "xor_clusters"
    write(seal(content), tmp_path / "adamw.quick.json")
    code, said = submission.of_this_checkout(tmp_path / "adamw.quick.json", "ok\n")
    assert code == 1
    assert "xor_cluster" in said


def test_submission_check_shows_a_broken_task_file(submission, tmp_path, monkeypatch) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "broken_one.py").write_text("import nothing_of_that_name\n")
    with monkeypatch.context() as patch:
        patch.setattr(submission, "ROOT", tmp_path)
        (planned,) = submission.checks(["tasks/broken_one.py"])
    code, output = submission.run_suite(planned.arguments)
    assert planned.arguments[0] == "show"
    assert code == 1
    assert "nothing_of_that_name" in output
    assert "Traceback" not in output


def test_submission_check_reports(submission) -> None:
    def run(arguments: list[str]) -> tuple[int, str]:
        return (1, "refused <b>") if arguments[0] == "validate" else (0, "fine")

    good, code = submission.check(["baselines/optimizers/lion.py"], run)
    assert code == 0
    assert "passed" in good
    bad, code = submission.check(["results/digits/lion.quick.json", "tox.ini"], run)
    assert code == 1
    assert "**failed** (exit code 1)" in bad
    assert "    refused <b>" in bad
    assert "Changed beside the submission" in bad
    assert submission.check([], run)[1] == 0
    deleted, code = submission.check([], run, deleted=["results/digits/lion.quick.json"])
    assert code == 0
    assert "results/digits/lion.quick.json (deleted)" in deleted


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
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) == len({row for row, _ in rows}) == 35
    for row, where in rows:
        named = re.match(r"tasks? ((?:`\w+`(?:, )?)+)", where)
        if named is not None:
            assert set(re.findall(r"`(\w+)`", named[1])) <= known, row
        else:
            assert where.startswith(("**not there**", "column", "the ")), row
