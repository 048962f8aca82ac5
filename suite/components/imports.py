"""What a source file imports: files, which are followed, and packages, known by version.

Imports are read from the syntax tree and resolved without importing anything. A package that was
installed from an index is known by its name and version, the standard library by Python's, the
suite by its own hash. All else is followed file by file: neighbours, folders in PYTHONPATH,
editable and local installations, and the distribution that the file itself belongs to.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

#: modules whose distribution has another name and is used by tasks of this repository
_NAMES = {"sklearn": "scikit-learn"}


@dataclass(frozen=True)
class Imported:
    """A file and all that it reaches: files, itself first, and names of distributions."""

    files: tuple[Path, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """What one file's text says."""

    #: a hash of what it does: comments, docstrings and layout do not count
    digest: str
    #: (level, module, names) of each import; level 0 is an absolute one
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]


def imported(path: Path) -> Imported:
    """What a file imports, directly or through the files that it imports."""
    follower = _Follower(path)
    follower.follow()
    others = sorted(follower.files - {path})
    return Imported((path, *others), tuple(sorted(follower.packages)))


def read_source(path: Path) -> Source:
    """A file's source; for a file that is not Python text, such as a compiled module, its bytes."""
    return source_of(path.read_bytes())


class _Follower:
    """Follows the imports of one file."""

    def __init__(self, start: Path) -> None:
        self.files: set[Path] = set()
        self.packages: set[str] = set()
        self._waiting = [start]
        #: the distributions that the file belongs to are followed, although they are installed
        self._own_top = _installed_as(start) or _package(start)
        self._own = set(_distributions(self._own_top) if self._own_top else ())

    def follow(self) -> None:
        while self._waiting:
            source = self._waiting.pop()
            if source in self.files or not source.is_file():
                continue
            self.files.add(source)
            for level, module, names in read_source(source).imports:
                parts = module.split(".") if module else []
                if level:
                    self._follow_relative(source, level, parts, names)
                elif parts:
                    self._follow_absolute(parts, names)

    def _follow_relative(
        self, source: Path, level: int, parts: Sequence[str], names: Sequence[str]
    ) -> None:
        if level > len(source.parents):
            return
        folder = source.parents[level - 1]
        self._waiting.append(folder / "__init__.py")
        self._waiting += _files([str(folder)], parts, names)

    def _follow_absolute(self, parts: Sequence[str], names: Sequence[str]) -> None:
        top = parts[0]
        if top in ("suite", "__main__") or top in sys.stdlib_module_names:
            return
        spec = _find(top)
        if spec is None:
            return
        if self._is_package(top, spec):
            self.packages.update(_distributions(top))
            return
        self._waiting += _file_of(spec)
        locations = spec.submodule_search_locations
        if locations is not None:
            self._waiting += _files(list(locations), parts[1:], names)

    def _is_package(self, top: str, spec: ModuleSpec) -> bool:
        """Whether a module's name and version identify its code."""
        if top == self._own_top:
            return False
        origins = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
        places = [Path(origin) for origin in origins]
        in_site = any(_installed_as(place) for place in places)
        owners = _distributions(top) if in_site else _namesake(top)
        if not in_site:  # `pip --target` and a folder in PYTHONPATH
            folders = [folder for folder in map(_wheel_folder, owners) if folder]
            if not any(place.is_relative_to(folder) for place in places for folder in folders):
                return False
        return bool(owners) and not self._own & set(owners) and not any(map(_is_local, owners))


def _files(locations: list[str], parts: Sequence[str], names: Sequence[str]) -> Iterator[Path]:
    """The files of a module below a package, the packages above it and its submodules."""
    for part in parts:
        spec = PathFinder.find_spec(part, locations)
        if spec is None:
            return
        yield from _file_of(spec)
        if spec.submodule_search_locations is None:
            return
        locations = list(spec.submodule_search_locations)
    for name in names:
        found = PathFinder.find_spec(name, locations)
        if found is not None:
            yield from _file_of(found)


def _file_of(spec: ModuleSpec) -> list[Path]:
    return [Path(spec.origin)] if spec.origin and spec.has_location else []


def _find(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):  # a module without a spec, as __main__
        return None


@functools.cache
def _site_folders() -> tuple[Path, ...]:
    """Where packages are installed."""
    found = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    found += [site.getusersitepackages(), *site.getsitepackages()]
    paths = [Path(folder) for folder in found]
    return tuple(dict.fromkeys([*paths, *(path.resolve() for path in paths)]))


def _package(path: Path) -> str:
    """The top-level package that a file is in; empty if it is in none."""
    top = ""
    for folder in path.parents:
        if not (folder / "__init__.py").is_file():
            break
        top = folder.name
    return top


def is_installed(path: Path) -> bool:
    """Whether a file belongs to an installed package or to Python itself."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    return _installed_as(path) is not None or path.is_relative_to(stdlib)


def _installed_as(path: Path) -> str | None:
    """The top-level module of a file in a folder of installed packages; None elsewhere."""
    for folder in _site_folders():
        if path.is_relative_to(folder) and path != folder:
            return path.relative_to(folder).parts[0].partition(".")[0]
    return None


@functools.cache
def _distributions(top: str) -> tuple[str, ...]:
    """The distributions that a top-level module comes from."""
    if not top or _namesake(top):
        return _namesake(top)
    from importlib.metadata import packages_distributions

    return tuple(sorted({_plain(name) for name in packages_distributions().get(top, ())}))


@functools.cache
def _namesake(top: str) -> tuple[str, ...]:
    """The distribution of a module's name: a direct look-up, since listing all takes 0.2 s."""
    # Imported here: it takes a third of the time of `suite --help`.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return (_plain(distribution(_NAMES.get(top, top)).metadata["Name"]),) if top else ()
    except PackageNotFoundError:
        return ()


def _plain(name: str) -> str:
    """A distribution's name as it is published, in one spelling for all spellings in metadata."""
    return name.lower().replace("_", "-").replace(".", "-")


@functools.cache
def _is_local(name: str) -> bool:
    """Whether a distribution was installed from a folder: its version then says little."""
    from importlib.metadata import distribution

    origin = distribution(name).read_text("direct_url.json")
    return origin is not None and "dir_info" in json.loads(origin)


@functools.cache
def _wheel_folder(name: str) -> Path | None:
    """The folder that a distribution was installed into as a wheel."""
    from importlib.metadata import distribution

    found = distribution(name)
    return Path(str(found.locate_file(""))) if found.read_text("WHEEL") else None


@functools.lru_cache(maxsize=2000)
def source_of(text: bytes) -> Source:
    """What a text says."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return Source(hashlib.sha256(text).hexdigest(), ())
    meaning: list[str] = []
    _tell(tree, meaning.append)
    digest = hashlib.sha256("\n".join(meaning).encode()).hexdigest()
    return Source(digest, tuple(_imports(tree)))


def _imports(tree: ast.AST) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                name = first.value.lstrip(".")
                yield len(first.value) - len(name), name, ()


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _tell(node: ast.AST, say: Callable[[str], None]) -> None:
    """Say what a syntax tree means, line by line; empty fields and docstrings are left out.

    `ast.dump` prints the same code differently from one Python version to the next, so the tree is
    walked here. A command reads a hundred files before it can start: a generator takes twice as
    long.
    """
    say(f"({type(node).__name__}")
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            say(name)
            _tell(value, say)
        elif isinstance(value, list):
            if name == "body" and value and _is_docstring(value[0]):
                value = value[1:]
            for item in value:
                if isinstance(item, ast.AST):
                    if not _is_claim(item) and not _is_fact(item, node):
                        say(name)
                        _tell(item, say)
                elif item is not None or isinstance(node, ast.Constant):
                    say(f"{name} {item!r}")
        elif value is not None or isinstance(node, ast.Constant):
            say(f"{name} {value!r}")
    say(")")


def _is_claim(node: object) -> bool:
    """Whether a part of a tree states or imports claims: no number of a run depends on them.

    Only values written out are left out: an expression that computes something is code.
    """
    if isinstance(node, ast.alias):
        return node.name == "Claim" and node.asname is None
    if not isinstance(node, ast.keyword) or node.arg != "claims":
        return False
    inside = [*ast.walk(node.value)]
    calls = [part for part in inside if isinstance(part, ast.Call)]
    return all(isinstance(part, _PLAIN) for part in inside) and all(
        isinstance(call.func, ast.Name) and call.func.id == "Claim" for call in calls
    )


def _is_fact(node: object, call: ast.AST) -> bool:
    """Whether a keyword states what no number of a run depends on: a task is core, its contrast.

    So a task keeps its fingerprint when the set of core tasks changes. Only values written out are
    left out: an expression that computes something is code.
    """
    if not (isinstance(node, ast.keyword) and isinstance(call, ast.Call)):
        return False
    inside = [*ast.walk(node.value)]
    return (
        node.arg in ("core", "contrast")
        and _called(call) == "task"
        and all(isinstance(part, (ast.Tuple, ast.Constant, ast.Load)) for part in inside)
    )


#: what claims are written with
_PLAIN = (ast.List, ast.Tuple, ast.Call, ast.keyword, ast.Constant, ast.Name, ast.Load)


def _is_docstring(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
