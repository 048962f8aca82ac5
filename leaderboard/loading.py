"""Reading a folder of thousands of results fast: what was read once is kept, by the file's digest.

A thin result (see `leaderboard.index`) is found by the SHA-256 of the result file: in the cache
below the suite's home, which has one file for each task, or in the packaged index, in which the
published results are. Only files that are in neither are read, checked and made thin; so a changed
file is read anew. A cache belongs to one version of the code that reads results.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from leaderboard import index
from leaderboard.index import Line, line_of, read_index
from suite.errors import InvalidResult, UsageError
from suite.home import home
from suite.results import files, migrations, model
from suite.results.files import check_place, find, read, write_text
from suite.results.frames import Invalid, Stored

#: files that are not in the cache from which on the packaged index is looked at
_MANY = 50
#: thin results in the cache of a task
_KEPT = 2_000


def read_thin(
    folder: str | Path, tasks: Collection[str] | None = None
) -> tuple[list[Stored], list[Invalid]]:
    """Every result file below a folder as a thin result, and those that are not valid.

    Paths are relative to the folder. With `tasks`, only the files on these tasks are read. Raises
    UsageError if there is no such folder.
    """
    lines, invalid = read_lines(folder, tasks)
    stored = []
    for line in lines:
        try:
            stored.append(line.stored)
        except InvalidResult as error:  # such as a copy in a wrong place
            invalid.append(Invalid(Path(line.path), str(error).removeprefix(f"{line.path}: ")))
    return stored, invalid


def read_lines(
    folder: str | Path, tasks: Collection[str] | None = None
) -> tuple[list[Line], list[Invalid]]:
    """The lines of an index of a folder, in order of their paths; otherwise as `read_thin`."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such results folder")
    by_task: dict[str, dict[Path, str | None]] = {}
    for path in find(folder, tasks):
        by_task.setdefault(path.parent.name, {})[path] = _digest(path)
    lines: list[Line] = []
    invalid: list[Invalid] = []
    for task, digests in by_task.items():
        cached = _read_cache(task)
        new: dict[str, str] = {}
        known: Mapping[str, str] = cached
        if sum(digest not in cached for digest in digests.values()) >= _MANY:
            known = {**_packaged(), **cached}
        for path, digest in digests.items():
            where = path.relative_to(folder)
            if digest is not None and digest in known:
                lines.append(Line(str(where), digest, known[digest]))
                continue
            made = _read(path, where, digest)
            if isinstance(made, Invalid):
                invalid.append(made)
            else:
                lines.append(made)
                new[made.sha256] = made.text
        if new:
            _write_cache(task, cached, new)
    return lines, invalid


def published_results(tasks: Collection[str] | None = None) -> list[Stored]:
    """The results of the imported index, or else of the packaged one; all, or on some tasks.

    Their paths begin with `published`. Raises SuiteError if the index is damaged.
    """
    chosen = next((path for path in (imported_index(), index.PACKAGED) if path.is_file()), None)
    if chosen is None:
        return []
    found = []
    for line in read_index(chosen):
        if tasks is None or line.path.partition("/")[0] in tasks:
            path, result = line.stored
            found.append(Stored(Path("published", path), result))
    return found


def imported_index() -> Path:
    """Where an index that was imported takes the place of the packaged one."""
    return home() / "baselines.jsonl.xz"


def _digest(path: Path) -> str | None:
    """The SHA-256 of a file; None for what is no readable regular file: `read` says why."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > files.MAX_BYTES:
            return None
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _read(path: Path, where: Path, digest: str | None) -> Line | Invalid:
    try:
        result = read(path)
        check_place(result, path)
    except InvalidResult as error:
        return Invalid(where, str(error).removeprefix(f"{path}: "))
    assert digest is not None, "a file that can be read has a digest"
    return line_of(str(where), digest, result)


@functools.cache
def _packaged() -> Mapping[str, str]:
    """SHA-256 of a result file to its thin result, of the published results."""
    if not index.PACKAGED.is_file():
        return {}
    return {line.sha256: line.text for line in read_index(index.PACKAGED)}


@functools.cache
def _version() -> str:
    """A digest of the code that decides what is read and kept of a file."""
    parts = [
        Path(module.__file__ or "").read_bytes() for module in (files, model, migrations, index)
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _cache_of(task: str) -> Path:
    return home() / "board" / f"{task}.jsonl"


def _read_cache(task: str) -> dict[str, str]:
    """SHA-256 to thin result; empty if there is none, or one of another version of the code."""
    try:
        first, *rest = _cache_of(task).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return {}
    if first != _version():
        return {}
    pairs = (line.partition(" ") for line in rest)
    return {digest: text for digest, _, text in pairs if text}


def _write_cache(task: str, cached: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Keep the newest thin results of a task, `new` ones last.

    A cache that cannot be written is none: it only saves time.
    """
    kept = list({**cached, **new}.items())[-max(_KEPT, len(new)) :]
    path = _cache_of(task)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "\n".join([_version(), *(" ".join(item) for item in kept)]) + "\n")
