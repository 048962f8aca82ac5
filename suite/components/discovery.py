"""Discovery: where components and tasks are declared, and how their files are imported.

The first argument of `optimizer(...)` and the like is a literal string, so that parsing a file
gives its names; the file is imported only when one of them is requested.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from suite.components.fingerprints import source_hash
from suite.components.imports import imported, is_installed
from suite.home import ROOT as ROOT

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

KINDS = ("task", "optimizer", "regularizer", "schedule", "diagnostic", "rule")
#: the functions that declare something: a method of several parts is used as an optimizer
_DECLARED_BY = {**{kind: kind for kind in KINDS}, "method": "optimizer"}
ENTRY_POINT_GROUP = "suite.components"
FOLDERS = (
    "tasks",
    "baselines/optimizers",
    "baselines/regularizers",
    "baselines/schedules",
    "baselines/diagnostics",
    "baselines/rules",
)

_INTERACTIVE = "<interactive>"

#: the file that is being imported for its declarations
_loading: ContextVar[Path | None] = ContextVar("loading", default=None)


def looks_like_file(name: str) -> bool:
    """Whether a name on the command line means a file."""
    return name.endswith(".py") or Path(name).name != name


def loading_file(kind: str, name: str) -> Path | None:
    """The file that declares a name, among the one being imported and those it imports.

    None if there is none: the declaration is in a notebook, an interactive session or a script.
    """
    start = _loading.get()
    if start is None:
        return None
    for path in imported(start).files:
        with suppress(SyntaxError, ValueError):  # not Python text: a compiled helper
            if (kind, name) in _declared(path):
                return path
    return start  # the name is not a literal string


def declaring_file(kind: str, name: str, code: Any) -> Path:
    """The file that declares a name, however it is run; `code` is the declared object.

    In a notebook or an interactive session, a path that is not a file, such as "<interactive>".
    """
    found = loading_file(kind, name)
    if found is not None:
        return found
    while isinstance(code, functools.partial):
        code = code.func
    module = sys.modules.get(str(getattr(code, "__module__", None)))
    path = Path(getattr(module, "__file__", None) or _INTERACTIVE)
    return Path(_INTERACTIVE) if is_installed(path) else path


@contextmanager
def loading(path: Path | None) -> Iterator[None]:
    """Inside, the file is being imported."""
    token = _loading.set(path)
    try:
        yield
    finally:
        _loading.reset(token)


@dataclass(frozen=True)
class BrokenFile:
    """A file that could not be used, and the reason: it is reported, and the others are used."""

    path: str
    reason: str


@functools.cache
def declarations() -> tuple[dict[tuple[str, str], list[Any]], list[BrokenFile]]:
    """Where each name is registered: (kind, name) to files and entry points."""
    index: dict[tuple[str, str], list[Any]] = {}
    problems = []
    for path in _files():
        try:
            for kind, name in _declared(path):
                index.setdefault((kind, name), []).append(path)
        except (SyntaxError, ValueError, OSError) as error:
            problems.append(BrokenFile(str(path), f"{type(error).__name__}: {error}"))
    for kind in KINDS:
        for point in _entry_points(kind):
            index.setdefault((kind, point.name), []).append(point)
    return index, problems


@functools.cache
def places(kind: str, name: str) -> tuple[Path | EntryPoint, ...]:
    """Where one name is registered, as in `declarations`.

    Only files that contain the name are parsed: all of them take a second. A literal may be written
    so that they do not contain it, as in two parts; then all files are parsed.
    """
    found: list[Path | EntryPoint] = []
    for path in _files():
        with suppress(SyntaxError, ValueError, OSError):
            if name.encode() in path.read_bytes() and (kind, name) in _declared(path):
                found.append(path)
    found += [point for point in _entry_points(kind) if point.name == name]
    return tuple(found or declarations()[0].get((kind, name), []))


def _files() -> Iterator[Path]:
    """The files that may declare something, in a fixed order."""
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _entry_points(kind: str) -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points  # slow to import, and help does without

    return entry_points(group=f"{ENTRY_POINT_GROUP}.{kind}")


def forget() -> None:
    """Look at the files anew: for tests."""
    declarations.cache_clear()
    places.cache_clear()


def _declared(path: Path) -> list[tuple[str, str]]:
    return _declared_in(path.read_bytes(), str(path))


@functools.lru_cache(maxsize=500)
def _declared_in(text: bytes, filename: str) -> list[tuple[str, str]]:
    # Bytes: the parser knows byte-order marks and declared encodings.
    tree = ast.parse(text, filename=filename)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [declared for call in calls for declared in _declarations_of(call)]


def _declarations_of(call: ast.Call) -> list[tuple[str, str]]:
    """The kind and name that a call such as `optimizer("name", ...)` declares, if it does."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    kind = _DECLARED_BY.get(name)
    first = call.args[0] if call.args else None
    if kind is not None and isinstance(first, ast.Constant) and isinstance(first.value, str):
        return [(kind, first.value)]
    return []


def file_of(place: Path | EntryPoint) -> Path | None:
    """The file of an entry of the index; None for an entry point whose module is missing."""
    if isinstance(place, Path):
        return place
    try:
        module = importlib.util.find_spec(place.module)
    except ImportError:
        return None
    return Path(module.origin).resolve() if module and module.origin else None


def import_file(path: Path) -> None:
    """Import a file under a unique name; raises what importing it raises."""
    package = package_of(path)
    name = f"{package}.{path.stem}" if package else f"suite_file_{source_hash(path)}"
    # A user's own file may have any ending, and is edited and run again within a second.
    loader = None if package else _FreshLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with loading(path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


@contextmanager
def end_is_an_error() -> Iterator[None]:
    """Inside, `os._exit` raises SystemExit.

    A file that ends the process would end a command that has done nothing yet, with the exit code
    that the file chooses: 0 is success.
    """
    before = os._exit

    def refused(status: int) -> NoReturn:
        raise SystemExit(f"os._exit({status}) would end the command")

    os._exit = refused
    try:
        yield
    finally:
        os._exit = before


class _FreshLoader(SourceFileLoader):
    """Compiles the text as it is now.

    Python uses cached bytecode for every text of the same size and second: after a quick edit the
    old code would run under the new source hash.
    """

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """None: the cache is neither read nor written."""
        raise OSError


def package_of(path: Path) -> str | None:
    """The alias package of a repo folder; None for a file elsewhere.

    The folders are loaded under other names (`suite_tasks`), so that a user's own `tasks.py` is
    never mistaken for ours, while files in them can still import their neighbours.
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
    """Where in a file an error was raised, such as ", line 3"; empty if it was raised elsewhere."""
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line


def declared_at(error: BaseException, path: Path) -> str:
    """The component and hyperparameter that a file declares where an error was raised, in words.

    A search space's distributions are made before the component: only the source says which
    component they belong to.
    """
    at, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            at = _position(trace)
        trace = trace.tb_next
    if at is None:
        return ""
    said = ""
    for node in ast.walk(ast.parse(path.read_bytes())):  # outer nodes come before inner ones
        if isinstance(node, ast.Call) and _spans(node, at):
            said += "".join(f"{kind} '{name}': " for kind, name in _declarations_of(node))
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and _spans(value, at):
                    said += f"hyperparameter {key.value!r}: "
    return said


def _position(trace: TracebackType) -> tuple[int, int | None]:
    """The line and, where Python keeps it, the column at which a frame was."""
    positions = trace.tb_frame.f_code.co_positions()
    _, _, column, _ = next(itertools.islice(positions, trace.tb_lasti // 2, None))
    return trace.tb_lineno, column


def _spans(node: ast.expr, at: tuple[int, int | None]) -> bool:
    """Whether a node is at a position: two hyperparameters may stand in the same line."""
    line, column = at
    first, last = node.lineno, node.end_lineno or node.lineno
    if column is None or node.end_col_offset is None:
        return first <= line <= last
    return (first, node.col_offset) <= (line, column) < (last, node.end_col_offset)
