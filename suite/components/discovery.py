"""Discovery: where components and tasks are declared, and how their files are imported.

The first argument of `optimizer(...)` and the like is a literal string, so that parsing a file
tells its names; it is imported only when one of them is asked for.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.components.fingerprints import source_hash
from suite.home import ROOT as ROOT

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

KINDS = ("task", "optimizer", "regularizer", "schedule")
ENTRY_POINT_GROUP = "suite.components"
FOLDERS = ("tasks", "baselines/optimizers", "baselines/regularizers", "baselines/schedules")


@dataclass(frozen=True)
class BrokenFile:
    """A file that could not be used, and why: reported, while everything else goes on."""

    path: str
    reason: str


@functools.cache
def declarations() -> tuple[dict[tuple[str, str], list[Any]], list[BrokenFile]]:
    """Where each name is registered: (kind, name) to files and entry points."""
    index: dict[tuple[str, str], list[Any]] = {}
    problems = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            try:
                for kind, name in _declared(path):
                    index.setdefault((kind, name), []).append(path)
            except (SyntaxError, UnicodeDecodeError, OSError) as error:
                problems.append(BrokenFile(str(path), f"{type(error).__name__}: {error}"))
    from importlib.metadata import entry_points  # slow to import, and help does without

    for kind in KINDS:
        for point in entry_points(group=f"{ENTRY_POINT_GROUP}.{kind}"):
            index.setdefault((kind, point.name), []).append(point)
    return index, problems


def _declared(path: Path) -> list[tuple[str, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    found = []
    for call in calls:
        function, first = call.func, call.args[0]
        kind = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if kind in KINDS and isinstance(first, ast.Constant) and isinstance(first.value, str):
            found.append((kind, first.value))
    return found


def file_of(place: Path | EntryPoint) -> Path | None:
    """The file of a place in the index; None for an entry point whose module is not there."""
    if isinstance(place, Path):
        return place
    try:
        module = importlib.util.find_spec(place.module)
    except ImportError:
        return None
    return Path(module.origin).resolve() if module and module.origin else None


def import_file(path: Path) -> None:
    """Import a file under a name of its own; raises whatever importing it raises."""
    package = package_of(path)
    name = f"{package}.{path.stem}" if package else f"suite_file_{source_hash(path)}"
    # A person's own file may have any ending, and is edited and run again within a second.
    loader = None if package else _FreshLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


class _FreshLoader(SourceFileLoader):
    """Compiles the text as it is now.

    Python's cached bytecode stands for every text of the same size and second: after a quick edit
    the old code would run under the new source hash.
    """

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """None: the cache is neither read nor written."""
        raise OSError


def package_of(path: Path) -> str | None:
    """The alias package of a repo folder; None for a file that lies elsewhere.

    The folders are loaded under names of their own (`suite_tasks`), so that a researcher's own
    `tasks.py` is never taken for ours, while files in them can still import their neighbours.
    """
    for folder in FOLDERS:
        location = ROOT / folder
        if path.is_relative_to(location):
            alias = "suite_" + folder.replace("/", "_")
            if alias not in sys.modules:
                spec = importlib.util.spec_from_loader(alias, loader=None, is_package=True)
                assert spec is not None
                spec.submodule_search_locations = [str(location)]
                sys.modules[alias] = importlib.util.module_from_spec(spec)
            package = ".".join((alias, *path.parent.relative_to(location).parts))
            importlib.import_module(package)  # a folder without __init__.py is a package, too
            return package
    return None


def line_in(error: BaseException, path: Path | EntryPoint) -> str:
    """Where in a file an error arose, such as ", line 3"; empty if it did elsewhere."""
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line
