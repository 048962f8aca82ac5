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
from leaderboard.index import Line, read_index
from leaderboard.reading import File, read_files, sha256_of
from suite.errors import InvalidResult, UsageError
from suite.home import home
from suite.results import files, migrations, model
from suite.results.files import find, write_text
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
    files = [File(str(path), str(path.relative_to(folder))) for path in find(folder, tasks)]
    digests = {file: sha256_of(file) for file in files}
    caches = {task: _read_cache(task) for task in {file.task for file in files}}
    cached = {file: caches[file.task].get(digests[file] or "") for file in files}
    missing = [file for file in files if cached[file] is None]
    packaged = _packaged() if len(missing) >= _MANY else {}
    made = read_files([file for file in missing if digests[file] not in packaged])
    lines: list[Line] = []
    invalid: list[Invalid] = []
    new: dict[str, dict[str, str]] = {}
    for file, digest in digests.items():
        found = made.get(file)
        if isinstance(found, str):
            invalid.append(Invalid(Path(file.where), found))
            continue
        if found is None:
            assert digest is not None, "a file that is known has a digest"
            found = Line(file.where, digest, cached[file] or packaged[digest])
        else:
            new.setdefault(file.task, {})[found.sha256] = found.text
        lines.append(found)
    for task, added in new.items():
        _write_cache(task, caches[task], added)
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
