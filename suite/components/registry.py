"""The registry: components and tasks, found by discovery and imported only when they are needed.

A component is one file that calls `optimizer(...)`, `regularizer(...)` or `schedule(...)`; a task
file calls `task(...)`. The first argument is the name, written as a literal string. That lets
`names()` list everything by parsing the files, without importing torch, so that help, completion
and "did you mean" answer at once; `get()` then imports only the file that is requested.
"""

from __future__ import annotations

import copy
import difflib
import functools
import hashlib
import importlib
import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.components import discovery, torchvision_cure
from suite.components.claims import Claim, checked
from suite.components.declaration import (
    About,
    ComponentKind,
    check_arguments,
    check_name,
    check_number_and_texts,
    check_parts,
    check_space,
    one_line,
)
from suite.components.discovery import KINDS as KINDS
from suite.components.discovery import (
    BrokenFile,
    declarations,
    declared_at,
    declaring_file,
    end_is_an_error,
    file_of,
    import_file,
    line_in,
    loading,
)
from suite.components.fingerprints import hash_of_code, source_files, source_hash
from suite.components.imports import imported
from suite.components.search import SearchSpace
from suite.errors import SuiteError, UsageError, unknown_name

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: the parts of a method
COMPONENT_KINDS = ("optimizer", "regularizer", "schedule")


@dataclass(frozen=True)
class Component:
    """A registered optimizer, regularizer or schedule and what a reader must know about it."""

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
    authors: tuple[str, ...] = ()
    #: why a gradient evaluation takes more operations than a plain one; empty if it does not
    extra_work: str = ""
    #: the distributions that its files import
    packages: tuple[str, ...] = ()
    #: of an optimizer: how it gets gradients, see `optimizer`
    gradient_first: bool = False
    create_graph: bool = False
    #: the other parts of a method that was registered as a whole, see `method`
    regularizers: tuple[Callable[..., Any], ...] = ()
    schedules: tuple[Callable[..., Any], ...] = ()
    #: what its papers say of it
    claims: tuple[Claim, ...] = ()

    @property
    def defaults(self) -> dict[str, Any]:
        """Hyperparameter name to the declared default."""
        return {name: distribution.default for name, distribution in self.search.items()}


@dataclass
class _Registry:
    found: dict[tuple[str, str], Any] = field(default_factory=dict)
    #: a hash of each file, and of what it imports, as it was imported
    loaded: dict[Path, str] = field(default_factory=dict)
    extra_files: list[Path] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)


_registry = _Registry()


# -- what a component or task file calls ----------------------------------------------------------


def optimizer(
    name: str,
    build: Callable[..., Any],
    *,
    paper: str,
    url: str,
    search: SearchSpace | None = None,
    summary: str = "",
    version: int = 1,
    authors: Sequence[str] = (),
    extra_work: str = "",
    claims: Sequence[Claim] = (),
    gradient_first: bool = False,
    create_graph: bool = False,
) -> None:
    """Register an optimizer: `build(params, **hyperparameters)` returns a torch optimizer.

    `params` is a list of parameters, each with a `.role` ("hidden", "embedding", "head", "conv",
    "norm", "bias" or "scale"), a `.depth` and a `.layer_name`. A `build` with an argument named
    `info` also gets the `TaskInfo`, one named `model` the model, one named `named_parameters` a
    list of (name, parameter).

    `summary` is the docstring's first line if it is not given. `extra_work` is the reason why a
    gradient evaluation takes more operations than a plain one; its costs are multiplied. For
    optimizers of libraries: with `gradient_first` the batch's gradient is in `.grad` before `step`
    is called, and each call of the closure is one more gradient evaluation; with `create_graph`
    gradients have a graph, and each evaluation costs as much as a Hessian product, 3. `claims` are
    what its papers say of it, see `suite.Claim`.
    """
    about = About(paper, url, summary or _first_line(build), version, authors, extra_work, claims)
    how = {"gradient_first": gradient_first, "create_graph": create_graph}
    _register("optimizer", name, build, search, about, **how)


def method(
    name: str,
    optimizer: Callable[..., Any],
    *,
    regularizers: Sequence[Callable[..., Any]] = (),
    schedules: Sequence[Callable[..., Any]] = (),
    paper: str,
    url: str,
    search: SearchSpace | None = None,
    summary: str = "",
    version: int = 1,
    authors: Sequence[str] = (),
    extra_work: str = "",
    claims: Sequence[Claim] = (),
    gradient_first: bool = False,
    create_graph: bool = False,
) -> None:
    """Register a method of several parts under one name, used as an optimizer's name.

    `optimizer` builds the torch optimizer, `regularizers` are `suite.Regularizer` classes and
    `schedules` functions of progress. Each part gets the hyperparameters in `search` that it has
    arguments for; one that several parts take has the same value in all. The other arguments are
    those of `suite.optimizer`.
    """
    summary = summary or _first_line(optimizer)
    about = About(paper, url, summary, version, authors, extra_work, claims)
    how = {"gradient_first": gradient_first, "create_graph": create_graph}
    others = {"regularizers": tuple(regularizers), "schedules": tuple(schedules)}
    _register("optimizer", name, optimizer, search, about, **how, **others)


def regularizer(
    name: str,
    build: Callable[..., Any],
    *,
    paper: str,
    url: str,
    search: SearchSpace | None = None,
    summary: str = "",
    version: int = 1,
    authors: Sequence[str] = (),
    extra_work: str = "",
    claims: Sequence[Claim] = (),
) -> None:
    """Register a regularizer: `build(**hyperparameters)` returns a `suite.Regularizer`.

    The other arguments are those of `optimizer`.
    """
    about = About(paper, url, summary or _first_line(build), version, authors, extra_work, claims)
    _register("regularizer", name, build, search, about)


def schedule(
    name: str,
    factor: Callable[..., float | Mapping[str, float]],
    *,
    paper: str,
    url: str,
    search: SearchSpace | None = None,
    summary: str = "",
    version: int = 1,
    authors: Sequence[str] = (),
    extra_work: str = "",
    claims: Sequence[Claim] = (),
) -> None:
    """Register a schedule: `factor(progress, **hyperparameters)` multiplies the learning rate.

    `progress` is the share of the budget in the middle of the step, in (0, 1): it is never exactly
    0 or 1. A schedule of other quantities returns a mapping of factors: `"momentum"` (the first of
    `betas` where a group has those), `"weight_decay"` or another entry of the optimizer's groups,
    or `"sam.rho"`, an attribute of the regularizer `sam`. The other arguments are those of
    `optimizer`.
    """
    about = About(paper, url, summary or _first_line(factor), version, authors, extra_work, claims)
    _register("schedule", name, factor, search, about)


def _register(
    kind: ComponentKind,
    name: str,
    build: Callable[..., Any],
    search: SearchSpace | None,
    about: About,
    **how: Any,
) -> None:
    name = check_name(name)
    path = declaring_file(kind, name, build)
    who = f"{path}: {kind} {name!r}"
    check_space(who, search or {})
    others: dict[ComponentKind, Sequence[Callable[..., Any]]] = {
        "regularizer": how.get("regularizers", ()),
        "schedule": how.get("schedules", ()),
    }
    if any(others.values()):
        others["optimizer"] = [build]
        check_parts(who, others, search or {})
    else:
        check_arguments(who, kind, build, search or {})
    check_number_and_texts(who, about)
    add(
        Component(
            kind=kind,
            name=name,
            build=build,
            search=dict(search or {}),
            paper=one_line(about.paper),
            url=one_line(about.url),
            summary=one_line(about.summary),
            version=about.version,
            authors=tuple(one_line(author) for author in about.authors),
            extra_work=one_line(about.extra_work),
            claims=checked(who, about.claims, alone=kind == "optimizer"),
            path=path,
            source_hash=source_hash(path) if path.is_file() else hash_of_code(build),
            packages=imported(path).packages if path.is_file() else (),
            **how,
        )
    )


def _first_line(function: Any) -> str:
    """The first line of a docstring; of the function that a `functools.partial` calls."""
    while isinstance(function, functools.partial):
        function = function.func
    return ((getattr(function, "__doc__", None) or "").strip().splitlines() or [""])[0]


def add(entry: Any) -> None:
    """Put a component or task into the registry; a second one of that name is an error."""
    key = (entry.kind, entry.name)
    known = _registry.found.get(key)
    if known is not None and known.path != entry.path:
        raise _clash(entry.kind, entry.name, known.path, entry.path)
    _registry.found[key] = entry


@contextmanager
def replaced(entry: Any) -> Iterator[None]:
    """Inside, a component or task replaces the one of its name, or is added: for tests.

    Worker processes do not see it.
    """
    key = (entry.kind, entry.name)
    before = _registry.found.get(key)
    _registry.found[key] = entry
    try:
        yield
    finally:
        _registry.found.pop(key, None)
        if before is not None:
            _registry.found[key] = before


def forget(kind: str, name: str) -> None:
    """Remove a component or task that was declared outside of the suite's files: for tests."""
    _registry.found.pop((kind, name), None)


@contextmanager
def separate() -> Iterator[None]:
    """Inside, the registry is empty; what is declared there is removed afterwards: for tests."""
    kept = vars(_registry).copy()
    vars(_registry).update(vars(_Registry()))
    discovery.forget()
    try:
        yield
    finally:
        vars(_registry).update(kept)
        discovery.forget()


# -- queries ------------------------------------------------------------------------------


def names(kind: str) -> list[str]:
    """Every name of a kind, sorted: by parsing, without importing anything."""
    found = {name for (k, name) in _registry.found if k == kind}
    found.update(name for (k, name) in declarations()[0] if k == kind)
    return sorted(found)


def is_known(kind: str, name: str) -> bool:
    """Whether there is one of that name, without importing anything."""
    return (kind, name) in _registry.found or bool(discovery.places(kind, name))


def get(kind: str, name: str) -> Any:
    """The component or task of that name; imports its file if necessary.

    Raises UsageError with similar names if there is none, SuiteError if its file is broken.
    """
    with _registry.lock:
        entry = _registry.found.get((kind, name))
        if entry is not None:
            return entry
        places = discovery.places(kind, name)
        if len(places) > 1:
            raise _clash(kind, name, *places)
        if not places:
            error = unknown_name(kind, name, names(kind))
            problems = declarations()[1]
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

    Raises UsageError if it is missing, SuiteError if importing it fails or registers nothing.
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
        raise SuiteError(
            f"{path} registers nothing: call suite.optimizer(...), suite.regularizer(...), "
            "suite.schedule(...), suite.diagnostic(...), suite.rule(...) or suite.task(...) in it."
        )
    return entries


def _check_unique(entry: Any) -> None:
    """Raise UsageError if a file that is not imported yet registers the same name, too."""
    for place in discovery.places(entry.kind, entry.name):
        if file_of(place) != entry.path:
            del _registry.found[entry.kind, entry.name]
            _registry.loaded.pop(entry.path, None)
            raise _clash(entry.kind, entry.name, place, entry.path)


def _clash(kind: str, name: str, *places: object) -> UsageError:
    listed = " and in ".join(str(place) for place in places)
    return UsageError(f"{kind} '{name}' is registered twice: in {listed}. Rename one of them.")


def anything_loaded() -> bool:
    """Whether this process has imported or declared anything yet."""
    return bool(_registry.found)


def extra_files() -> list[Path]:
    """The files outside the repo that were loaded: worker processes load them too."""
    return list(_registry.extra_files)


def _load(place: Path | EntryPoint) -> None:
    """Import one file or entry point; what it registers is kept only if all of it worked."""
    torchvision_cure.install()  # for what the file imports, such as timm
    before = copy.copy(_registry.found)
    try:
        with end_is_an_error():
            if isinstance(place, Path):
                _load_path(place)
            else:
                with loading(file_of(place)):
                    importlib.import_module(place.module)
    except (Exception, SystemExit) as error:
        _registry.found = before
        if isinstance(error, SuiteError):
            raise
        if isinstance(error, SyntaxError) and error.filename == str(place):
            at = f", line {error.lineno}" if error.lineno else ""
            raise SuiteError(f"{place}{at}: this is not Python: {error.msg}") from error
        if complaint := _complaint_of_call(error):
            raise SuiteError(f"{place}{line_in(error, place)}: {complaint}") from error
        whose = ""
        if isinstance(error, ValueError) and isinstance(place, Path):
            whose = declared_at(error, place)
        raise SuiteError(
            f"{place}{line_in(error, place)}: importing it failed with "
            f"{type(error).__name__}: {whose}{error}{_advice(error)}"
        ) from error


#: how Python says that the arguments of a declaration are wrong
_WRONG_CALL = re.compile(
    r"(optimizer|regularizer|schedule|diagnostic|rule|task)\(\) "
    r"(missing|got an unexpected) .*argument"
)


def _complaint_of_call(error: BaseException) -> str:
    """What is wrong with the arguments of a declaration; empty if the error is another one."""
    text = str(error)
    match = _WRONG_CALL.match(text) if isinstance(error, TypeError) else None
    if match is None:
        return ""
    kind, what = match.groups()
    named = re.findall(r"'(\w+)'", text)
    if what == "missing":
        listed = ", ".join(f"{name}=..." for name in named)
        return f"{kind}(...) needs {' and '.join(named)}: add {listed} to the call."
    declare = {"optimizer": optimizer, "regularizer": regularizer, "schedule": schedule}.get(kind)
    known = list(inspect.signature(declare).parameters) if declare else []
    near = difflib.get_close_matches(named[0], known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    rest = f" It takes {', '.join(known)}." if known else ""
    return f"{kind}(...) takes no argument {named[0]!r}.{hint}{rest}"


def _advice(error: BaseException) -> str:
    """What to do about a module that is not found."""
    relative = isinstance(error, ImportError) and "no known parent package" in str(error)
    if not relative and not isinstance(error, ModuleNotFoundError):
        return ""
    return (
        ". Put a helper's code into the same file, install it as a package, or add its folder to "
        "PYTHONPATH and import it by its name"
    )


def _load_path(path: Path) -> None:
    """Import a file, unless it and what it imports have been imported as they are now."""
    text = hashlib.sha256(path.read_bytes()).hexdigest() + source_hash(path)
    known = _registry.loaded.get(path)
    if known == text:
        return
    for key in [key for key, entry in _registry.found.items() if entry.path == path]:
        del _registry.found[key]
    if known is not None:
        _forget_helpers(path)
    import_file(path)
    _registry.loaded[path] = text


def _forget_helpers(path: Path) -> None:
    """Remove the modules that a file imports: one of them was edited and must be imported again."""
    helpers = {str(helper) for helper in source_files(path)[1:]}
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) in helpers:
            del sys.modules[name]
