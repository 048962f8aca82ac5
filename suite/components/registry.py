"""Who is there: components and tasks, found by discovery and imported only when they are needed.

A component is one file that calls `optimizer(...)`, `regularizer(...)` or `schedule(...)`; a task
file calls `task(...)`. The first argument is the name, written as a literal string. That lets
`names()` list everything by parsing the files, without importing torch, so that help, completion
and "did you mean" answer at once; `get()` then imports just the one file that is asked for.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from suite.components.discovery import KINDS as KINDS
from suite.components.discovery import BrokenFile, declarations, file_of, import_file, line_in
from suite.components.fingerprints import source_hash
from suite.components.search import Distribution, SearchSpace
from suite.errors import SuiteError, UsageError, unknown_name

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ComponentKind = Literal["optimizer", "regularizer", "schedule"]
COMPONENT_KINDS = KINDS[1:]
_NAME_RULE = (
    "lower-case letters, digits and single underscores, starting with a letter, at most 60 "
    "characters"
)


@dataclass(frozen=True)
class Component:
    """A registered optimizer, regularizer or schedule and what a reader must know of it."""

    kind: ComponentKind
    name: str
    build: Callable[..., Any]
    search: SearchSpace
    paper: str
    url: str
    summary: str
    version: int
    path: Path
    source_hash: str

    @property
    def defaults(self) -> dict[str, Any]:
        """Hyperparameter name to the declared default."""
        return {name: distribution.default for name, distribution in self.search.items()}


@dataclass
class _Registry:
    found: dict[tuple[str, str], Any] = field(default_factory=dict)
    loaded: dict[Path, str] = field(default_factory=dict)
    extra_files: list[Path] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)


_registry = _Registry()


# -- what a component or task file calls ----------------------------------------------------------


def _register_component(
    kind: ComponentKind,
    name: str,
    build: Callable[..., Any],
    *,
    paper: str,
    url: str,
    search: SearchSpace | None = None,
    summary: str = "",
    version: int = 1,
) -> None:
    path = Path(sys._getframe(2).f_code.co_filename)
    text = summary or _first_sentence(build)
    _check_declaration(f"{path}: {kind} {name!r}", version, search or {}, (paper, url, text))
    add(
        Component(
            kind=kind,
            name=check_name(name),
            build=build,
            search=dict(search or {}),
            paper=paper,
            url=url,
            summary=text,
            version=version,
            path=path,
            source_hash=source_hash(path),
        )
    )


def _check_declaration(
    who: str, version: object, search: object, texts: tuple[object, ...]
) -> None:
    """Raise UsageError for what no result file could hold: at once, not after the first study."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UsageError(f"{who}: version is a whole number from 1, not {version!r}.")
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(f"{who}: paper, url and summary are texts.")
    if not isinstance(search, Mapping):
        raise UsageError(f"{who}: search is a dict of hyperparameter names to distributions.")
    for hyperparameter, distribution in search.items():
        if not _is_name(hyperparameter):
            raise UsageError(
                f"{who}: the hyperparameter {hyperparameter!r} is not a name: use {_NAME_RULE}. If "
                "a class calls its argument so, register a function that passes it on: "
                f"def build(..., other_name): return Class(..., {hyperparameter}=other_name)"
            )
        if not isinstance(distribution, Distribution):
            raise UsageError(
                f"{who}: the hyperparameter {hyperparameter!r} needs a distribution such as "
                f"search.log_uniform(...), not {distribution!r}."
            )


def optimizer(name: str, build: Callable[..., Any], **about: Any) -> None:
    """Register an optimizer: `build(params, **hyperparameters)` returns a torch optimizer.

    `params` is a list of parameters, each with a `.role` ("hidden", "embedding", "head", "conv",
    "norm", "bias" or "scale"). A `build` with an argument named `info` also gets the `TaskInfo`.
    Keywords: `paper`, `url`, `search` (a search space), `summary`, `version`.
    """
    _register_component("optimizer", name, build, **about)


def regularizer(name: str, build: Callable[..., Any], **about: Any) -> None:
    """Register a regularizer: `build(**hyperparameters)` returns a `suite.Regularizer`.

    Keywords: `paper`, `url`, `search` (a search space), `summary`, `version`.
    """
    _register_component("regularizer", name, build, **about)


def schedule(name: str, factor: Callable[..., float], **about: Any) -> None:
    """Register a schedule: `factor(progress, **hyperparameters)` multiplies the learning rate.

    `progress` is the share of the budget that is spent, in [0, 1).
    Keywords: `paper`, `url`, `search` (a search space), `summary`, `version`.
    """
    _register_component("schedule", name, factor, **about)


def add(entry: Any) -> None:
    """Put a component or task into the registry; a second one of that name is an error."""
    key = (entry.kind, entry.name)
    known = _registry.found.get(key)
    if known is not None and known.path != entry.path:
        raise _clash(entry.kind, entry.name, known.path, entry.path)
    _registry.found[key] = entry


def check_name(name: str) -> str:
    """The name itself, if it may name a component, task or file; raises UsageError otherwise."""
    if not _is_name(name):
        raise UsageError(f"{name!r} is not a name: use {_NAME_RULE}.")
    return name


def _is_name(name: object) -> bool:
    if not isinstance(name, str) or len(name) > 60:
        return False
    words = name.split("_")
    plain = all(word.isascii() and word.isalnum() and word == word.lower() for word in words)
    return plain and name[0].isalpha()


# -- what others ask ------------------------------------------------------------------------------


def names(kind: str) -> list[str]:
    """Every name of a kind, sorted: by parsing, without importing anything."""
    found = {name for (k, name) in _registry.found if k == kind}
    found.update(name for (k, name) in declarations()[0] if k == kind)
    return sorted(found)


def get(kind: str, name: str) -> Any:
    """The component or task of that name, importing its file if need be.

    Raises UsageError with the nearest names if there is none, SuiteError if its file is broken.
    """
    with _registry.lock:
        entry = _registry.found.get((kind, name))
        if entry is not None:
            return entry
        index, problems = declarations()
        places = index.get((kind, name), [])
        if len(places) > 1:
            raise _clash(kind, name, *places)
        if not places:
            error = unknown_name(kind, name, names(kind))
            broken = "".join(f"\nnot readable: {p.path}: {p.reason}" for p in problems)
            raise UsageError(f"{error}{broken}")
        _load(places[0])
        if (kind, name) not in _registry.found:
            raise SuiteError(f"{places[0]}: importing it registered no {kind} '{name}'.")
        return _registry.found[kind, name]


def load_all(kind: str) -> tuple[list[Any], list[BrokenFile]]:
    """Every component or task of a kind, and the files that could not be used."""
    index, problems = declarations()
    problems = list(problems)
    entries = []
    for name in names(kind):
        try:
            entries.append(get(kind, name))
        except SuiteError as error:
            places = index.get((kind, name), [""])
            problems.append(BrokenFile(str(places[0]), str(error)))
    return entries, problems


def load_file(path: str | Path) -> list[Any]:
    """Import a file that is not in the repo; returns what it registered.

    Raises UsageError if it is missing or registers nothing, SuiteError if importing it fails.
    """
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    with _registry.lock:
        _load(path)
        if path not in _registry.extra_files:
            _registry.extra_files.append(path)
        entries = [entry for entry in _registry.found.values() if entry.path == path]
        for entry in entries:
            _check_unique(entry)
    if not entries:
        raise UsageError(
            f"{path} registers nothing: call suite.optimizer(...), suite.regularizer(...), "
            "suite.schedule(...) or suite.task(...) in it."
        )
    return entries


def _check_unique(entry: Any) -> None:
    """Raise UsageError if a file that is not imported yet registers the same name, too."""
    for place in declarations()[0].get((entry.kind, entry.name), []):
        if file_of(place) != entry.path:
            del _registry.found[entry.kind, entry.name]
            _registry.loaded.pop(entry.path, None)
            raise _clash(entry.kind, entry.name, place, entry.path)


def _clash(kind: str, name: str, *places: object) -> UsageError:
    listed = " and in ".join(str(place) for place in places)
    return UsageError(f"{kind} '{name}' is registered twice: in {listed}. Rename one of them.")


def extra_files() -> list[Path]:
    """The files outside the repo that were loaded: worker processes load them too."""
    return list(_registry.extra_files)


def _load(place: Path | EntryPoint) -> None:
    """Import one file or entry point; what it registers is kept only if all of it worked."""
    before = copy.copy(_registry.found)
    try:
        if isinstance(place, Path):
            _load_path(place)
        else:
            importlib.import_module(place.module)
    except (Exception, SystemExit) as error:
        _registry.found = before
        if isinstance(error, SuiteError):
            raise
        raise SuiteError(
            f"{place}{line_in(error, place)}: importing it failed with "
            f"{type(error).__name__}: {error}"
        ) from error


def _load_path(path: Path) -> None:
    """Import a file, unless it has been imported as it is now."""
    text_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    if _registry.loaded.get(path) == text_hash:
        return
    for key in [key for key, entry in _registry.found.items() if entry.path == path]:
        del _registry.found[key]
    import_file(path)
    _registry.loaded[path] = text_hash


def _first_sentence(thing: Any) -> str:
    return ((getattr(thing, "__doc__", None) or "").strip().splitlines() or [""])[0]
