"""The arrows between the parts, read from the imports in the source.

`suite.cli` may import everything; `tasks` and `baselines` the public names of `suite`;
`leaderboard` the suite's result model. `suite` itself offers the notebook's functions, which it
loads from `leaderboard` when they are first used. Nothing else, and no cycle.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import suite
from suite.components import registry
from suite.components.discovery import declarations

ROOT = Path(suite.__file__).resolve().parent.parent
FOLDERS = ("suite", "tasks", "baselines", "leaderboard")
#: modules of suite that a task or a method may import beside the names in `suite.__all__`
PUBLIC_MODULES = {
    "suite.data",
    "suite.data.vision",
    "suite.problems.streams",
}
#: what the leaderboard may know of the suite
RESULT_MODEL = {
    "suite.atomic",
    "suite.components.discovery",
    "suite.components.claims",
    "suite.components.rules",
    "suite.errors",
    "suite.home",
    "suite.results.fields",
    "suite.results.files",
    "suite.results.frames",
    "suite.results.marks",
    "suite.results.migrations",
    "suite.results.model",
    "suite.results.record_lists",
    "suite.studies.protocol",
    "suite.training.costs",
    "suite.training.seeds",
}


class Import(NamedTuple):
    """One imported module, or name of a module, and where."""

    where: str
    target: str
    #: executed when the file is imported, not in a function and not only for type checkers
    at_import: bool
    #: only for type checkers
    for_types: bool


def sources(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"no source in {folder}"
    return found


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for folder in FOLDERS for path in sources(folder)}


def imports(path: Path) -> Iterator[Import]:
    yield from _walk(ast.parse(path.read_text(encoding="utf-8")), path, True, False)


def _walk(node: ast.AST, path: Path, at_import: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        where = f"{path.relative_to(ROOT)}:{getattr(child, 'lineno', 0)}"
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(where, alias.name, at_import, for_types)
        elif isinstance(child, ast.ImportFrom):
            module = child.module or ""
            if child.level:
                package = module_name(path).split(".")
                if path.name != "__init__.py":
                    package = package[:-1]
                package = package[: len(package) - child.level + 1]
                module = ".".join([*package, *filter(None, [module])])
            for alias in child.names:
                name = f"{module}.{alias.name}"
                is_package = MODULES.get(module, Path()).name == "__init__.py"
                yield Import(where, name if is_package else module, at_import, for_types)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            types = for_types or typing
            yield from _walk(child, path, at_import and not is_function and not types, types)


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_core_imports_no_task_no_method_and_no_leaderboard() -> None:
    wrong = [
        f"{found.where} imports {found.target}"
        for path in sources("suite")
        for found in imports(path)
        for other in ("tasks", "baselines", "leaderboard")
        if below(found.target, other)
        and not (other == "leaderboard" and path.parent.name == "cli")
        and not (found.for_types and path == ROOT / "suite" / "__init__.py")
    ]
    assert wrong == []


def test_only_the_command_line_imports_the_command_line() -> None:
    wrong = [
        f"{found.where} imports {found.target}"
        for folder in FOLDERS
        for path in sources(folder)
        if path.parent.name != "cli" and path != ROOT / "suite" / "__main__.py"
        for found in imports(path)
        if below(found.target, "suite.cli")
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ["tasks", "baselines"])
def test_submissions_import_only_public_names(folder: str) -> None:
    public = {f"suite.{name}" for name in suite.__all__} | PUBLIC_MODULES
    packages = {name for name in PUBLIC_MODULES if MODULES[name].name == "__init__.py"}
    allowed_neighbours = {"tasks": ("suite_tasks",), "baselines": ("suite_baselines",)}[folder]
    wrong = []
    for path in sources(folder):
        for found in imports(path):
            ours = found.target.split(".")[0] in {*FOLDERS, "suite_tasks", "suite_baselines"}
            neighbour = found.target.startswith((f"{folder}.", *allowed_neighbours))
            in_package = found.target.rpartition(".")[0] in packages
            if ours and not neighbour and not in_package and found.target not in public:
                wrong.append(f"{found.where} imports {found.target}")
    assert wrong == []


def test_leaderboard_knows_only_the_result_model() -> None:
    wrong = [
        f"{found.where} imports {found.target}"
        for path in sources("leaderboard")
        for found in imports(path)
        if (below(found.target, "suite") and found.target not in RESULT_MODEL)
        or found.target.split(".")[0] in ("torch", "torchvision", "optuna", "tasks", "baselines")
    ]
    assert wrong == []


def test_the_result_model_needs_no_torch() -> None:
    reached, waiting = set(), sorted(RESULT_MODEL)
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        for found in imports(MODULES[name]):
            if found.at_import:
                assert found.target.split(".")[0] not in ("torch", "torchvision"), found
                if found.target in MODULES:
                    waiting.append(found.target)
    assert reached >= RESULT_MODEL


def test_no_cycles() -> None:
    """Imports inside functions count: a late import would only hide a cycle."""
    graph = {
        name: {
            found.target
            for found in imports(path)
            if not found.for_types and found.target in MODULES and found.target != name
        }
        for name, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
    assert done == set(MODULES)


def test_core_names_no_task_and_no_method() -> None:
    """A string in the core that is somebody's name would be a special case; prose is none.

    Data sets have names of their own, which tasks on them may share.
    """
    known = {name for _, name in declarations()[0]}  # without what other tests declare
    wrong = []
    for path in sources("suite"):
        if path.parent.name == "data":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value.strip()
                if text in known:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} names {text!r}")
    assert wrong == []


def test_templates_name_nobody() -> None:
    known = {name for kind in registry.KINDS for name in registry.names(kind)}
    for template in (ROOT / "suite" / "components" / "templates").glob("*.txt"):
        text = template.read_text(encoding="utf-8")
        assert [name for name in known if f'"{name}"' in text] == [], template.name
