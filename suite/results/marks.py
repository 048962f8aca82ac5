"""Verification records: what maintainers found when they ran results again.

A file `verifications.jsonl` in the results folder, a line for each verification, oldest first. A
record names a result by its digest, so that a changed result loses its mark. `suite verify
--record` writes it; a submission must not change it (`scripts/check_submission.py`).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from suite import atomic
from suite.errors import UsageError
from suite.results.fields import Few, MethodName, Name, Record, Text

NAME = "verifications.jsonl"
#: what a reader may think of a result: nobody has run it again; some of its runs repeated; it held
#: under seeds that its author could not know; the last verification of one kind found otherwise
Mark = Literal["claimed", "replayed", "verified", "disputed"]
_MAX_BYTES = 50_000_000


class Verification(Record):
    """One verification of one result."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    task: Name
    method: MethodName
    protocol: Name
    #: "replay": recorded runs again; "secret": evaluation runs from fresh seeds
    kind: Literal["replay", "secret"]
    held: bool
    #: runs that were run, and how much of the budget of each
    runs: Few
    share: Annotated[float, Field(gt=0, le=1)]
    #: what was found, in words
    found: Text
    #: of the suite that verified
    commit: Text | None
    cpu: Text
    #: UTC, ISO 8601
    when: Text


def marks_file(results: Path) -> Path:
    """Where the records of a results folder are."""
    return results / NAME


def read_verifications(results: Path) -> list[Verification]:
    """The records of a results folder, oldest first; none if there is no file.

    Raises UsageError with the line that is damaged.
    """
    path = marks_file(results)
    if not path.exists() and not path.is_symlink():
        return []
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise UsageError(f"{path}: a link, no regular file, or larger than {_MAX_BYTES} bytes.")
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(Verification.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(
                f"{path}, line {number}: {where}: {first['msg']}. `git checkout` restores the file."
            ) from None
    return found


def add(results: Path, new: Iterable[Verification]) -> Path:
    """Append records; the file is the old or the whole new one. Returns its path."""
    path = marks_file(results)
    with _alone(results):
        lines = [*read_verifications(results), *new]
        text = "".join(f"{json.dumps(each.model_dump(mode='json'))}\n" for each in lines)
        atomic.write(path, lambda file: file.write(text.encode("utf-8")))
    return path


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Inside, no other process appends records to the folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def marks(found: Iterable[Verification]) -> dict[str, Mark]:
    """The mark of each result that was verified, by its digest; of each kind the last one counts.

    A result that did not hold is disputed until the same kind of verification finds otherwise.
    """
    last: dict[str, dict[str, bool]] = {}
    for each in found:
        last.setdefault(each.digest, {})[each.kind] = each.held
    return {digest: _mark(kinds) for digest, kinds in last.items()}


def _mark(kinds: dict[str, bool]) -> Mark:
    if not all(kinds.values()):
        return "disputed"
    return "verified" if "secret" in kinds else "replayed"
