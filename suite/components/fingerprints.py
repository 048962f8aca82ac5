"""Fingerprints: hashes and versions that say which code made a result."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import atomic
from suite.components.imports import imported, read_source, source_of
from suite.home import ROOT, home

if TYPE_CHECKING:
    from suite.components.registry import Component
    from suite.problems.task import Task

#: a part of the code of a trial, in words, and its hash or version
Sources = tuple[tuple[str, str], ...]

#: packages that the numbers of every result depend on
PACKAGES = ("torch", "torchvision", "optuna", "pytorch-optimizer", "numpy", "scikit-learn")

#: parts of the suite that only show, estimate or check: no number of a result comes from them
LOOKING = (
    *(
        "checking/",
        "cli/",
        "components/templates/",
        "replaying/",
        "studies/estimate.py",
        "words.py",
    ),
    *("results/frames.py", "results/verification.py", "results/checks.py"),
)


def source_hash(path: Path) -> str:
    """A hash of what a file does, and of all that it imports except the suite and packages.

    Comments, docstrings and layout do not count, nor does the Python version.
    """
    own, *others = source_files(path)
    return _combined(read_source(own).digest, (read_source(other).digest for other in others))


def source_files(path: Path) -> list[Path]:
    """A file and the files that it imports, except those of the suite and of packages."""
    return list(imported(path).files)


def hash_of_code(code: Any) -> str:
    """A hash of a class or function that is in no file, such as a notebook's."""
    while isinstance(code, functools.partial):
        code = code.func
    try:
        text = inspect.getsource(code)
    except (OSError, TypeError):
        text = f"{getattr(code, '__module__', '')}.{getattr(code, '__qualname__', code)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def suite_hash() -> str:
    """A hash of what the suite's own code does, where it can change a number of a result.

    Of the files as `suite_texts` has read them. To parse all files takes a third of a second at the
    start of every process: the hash is cached on disk for the bytes that it was made from.
    """
    texts = suite_texts()
    whole = hashlib.sha256(sys.version.encode())
    for name, text in texts.items():
        whole.update(f"\n{name} {hashlib.sha256(text).hexdigest()}".encode())
    place = home() / "suite-hash.json"
    with suppress(OSError, ValueError, AttributeError):
        cached = json.loads(place.read_text(encoding="utf-8")).get(whole.hexdigest())
        if isinstance(cached, str):
            return cached
    found = _combined("", (f"{name} {source_of(text).digest}" for name, text in texts.items()))
    if place.parent.is_dir():  # made by commands that keep something there
        body = json.dumps({whole.hexdigest(): found}).encode()
        with suppress(OSError):
            atomic.write(place, lambda file: file.write(body))
    return found


@functools.cache
def suite_texts() -> dict[str, bytes]:
    """The suite's code by its path below `suite`; read once: the files may change on disk later."""
    return {name: path.read_bytes() for name, path in suite_files().items()}


def suite_files() -> dict[str, Path]:
    """The suite's files that can change a number of a result, by their path below `suite`."""
    folder = ROOT / "suite"
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    return {name: names[name] for name in sorted(names) if not name.startswith(LOOKING)}


def versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Versions of the packages that results depend on, and of additional ones."""
    found = {name: _version(name) for name in sorted({*PACKAGES, *packages})}
    return {name: version for name, version in found.items() if version is not None}


@functools.cache
def _version(package: str) -> str | None:
    """Read once: another version may be installed later, which is not the imported one."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def packages_of(task: Task, components: Iterable[Component]) -> dict[str, str]:
    """Versions of all packages that a method's and a task's files import."""
    used = {name for component in components for name in component.packages}
    return versions({*used, *imported(task.path).packages})


def sources(task: Task, components: Iterable[Component]) -> Sources:
    """The code of a trial as it was loaded here: each part and a hash of its source."""
    parts = tuple(components)
    return (
        ("the source of the suite", suite_hash()),
        (f"the source of task '{task.name}'", " ".join(task.code)),
        *((f"the source of {c.kind} '{c.name}'", c.source_hash) for c in parts),
        *((f"package '{name}'", version) for name, version in packages_of(task, parts).items()),
    )


def changed_part(planned: Sources, found: Sources) -> str | None:
    """The first part of the code that differs from the plan, in words; None if all are equal."""
    now = dict(found)
    for part, was in planned:
        if now.get(part) != was:
            is_version = part.startswith("package ")
            return f"{part} ({was}, now {now.get(part, 'missing')})" if is_version else part
    return None


def _combined(first: str, others: Iterable[str]) -> str:
    rest = sorted(others)
    if not rest:
        return first[:16]
    return hashlib.sha256(" ".join((first, *rest)).encode()).hexdigest()[:16]
