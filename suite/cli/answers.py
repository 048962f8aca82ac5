"""Cached answers: what `suite list` and `suite show` printed, while everything that decides it is
the same.

To answer, these commands import the files of tasks and components, and with them torch, which takes
seconds. An answer is cached with a hash of all that it is made from: the suite's own code, every
file of the repository that declares something, the installed packages, Python, and the terminal. A
change of any of these makes it stale, and the command then works as if there were no cache. Nothing
is cached where the hash would not cover something: for files outside the repository and components
of other packages.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from suite import atomic
from suite.components import registry
from suite.components.discovery import ENTRY_POINT_GROUP, FOLDERS, KINDS, ROOT, declarations
from suite.home import home

Command = TypeVar("Command", bound=Callable[..., Any])

#: variables that decide how something is printed, or which data is named
_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM", "TTY_COMPATIBLE", "SUITE_DATA_DIR")


def cached(command: Command) -> Command:
    """A command that prints its cached answer if that is current. It prints to stdout only."""

    @functools.wraps(command)
    def answer(**arguments: Any) -> Any:
        given = [_said(key, value) for key, value in arguments.items() if value]
        name = "-".join((command.__name__.strip("_"), *given))
        if not _may_be_cached(arguments):
            return command(**arguments)
        place = home() / "answers" / f"{name}.json"
        inputs = _inputs()
        with suppress(OSError, ValueError, KeyError, TypeError):
            there = json.loads(place.read_text(encoding="utf-8"))
            if there["inputs"] == inputs:
                click.echo(there["text"], nl=False)
                return there["code"]
        printed = _Printed(sys.stdout)
        with redirect_stdout(printed):
            code = command(**arguments)
        if not code and _reaches_only_the_repository():
            _keep(place, {"inputs": inputs, "text": "".join(printed.parts), "code": code})
        return code

    return answer  # type: ignore[return-value]


def _said(key: str, value: object) -> str:
    """An argument as part of a file's name; a task's name may be a component's as well."""
    return f"{key}={value}" if key == "task" else str(value)


def _may_be_cached(arguments: dict[str, Any]) -> bool:
    """Whether all that decides the answer is in the repository and in installed packages."""
    from importlib.metadata import entry_points

    if registry.anything_loaded():  # a test's or a notebook's own
        return False
    known = {*(kind + "s" for kind in KINDS)} | {name for _, name in declarations()[0]}
    if not all(value in known or value is None or value is False for value in arguments.values()):
        return False
    return not any(entry_points(group=f"{ENTRY_POINT_GROUP}.{kind}") for kind in KINDS)


def _reaches_only_the_repository() -> bool:
    """Whether the declaring files import only each other and packages known by their version."""
    from suite.components.imports import imported

    folders = [ROOT / folder for folder in FOLDERS]
    return all(
        any(file.is_relative_to(folder) for folder in folders)
        for places in declarations()[0].values()
        for place in places
        for file in imported(place).files
    )


def _inputs() -> str:
    """A hash of all that an answer is made from."""
    found = hashlib.sha256()
    for said in (sys.version, *sys.path, *_installed(), *_terminal()):
        found.update(f"{said}\n".encode())
    for folder in ("suite", *FOLDERS):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found.update(f"{path}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def _installed() -> Iterator[str]:
    """The installed packages with their versions, as the names of their folders say them."""
    for folder in sys.path:
        with suppress(OSError):
            names = os.listdir(folder or ".")
            yield from sorted(n for n in names if n.endswith((".dist-info", ".egg-info")))


def _terminal() -> Iterator[object]:
    yield from (sys.stdout.isatty(), sys.stdout.encoding, shutil.get_terminal_size())
    yield from (os.environ.get(name) for name in _VARIABLES)


def _keep(place: Path, answer: dict[str, Any]) -> None:
    """Cache an answer; without a folder that can be written to, each is made anew."""
    body = json.dumps(answer).encode()
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(place, lambda file: file.write(body))


class _Printed:
    """A stream that passes text on and keeps it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.parts: list[str] = []

    def write(self, text: str) -> int:
        count = self._stream.write(text)
        self.parts.append(text)
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
