"""Files that hold a list of records, one a line, oldest first: read strictly, only appended to."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from suite import atomic
from suite.errors import UsageError
from suite.results.fields import Record

Item = TypeVar("Item", bound=Record)
_MAX_BYTES = 50_000_000


def read_list(path: Path, model: type[Item]) -> list[Item]:
    """The records of a file; none if there is no file.

    Raises UsageError with the line that is damaged.
    """
    if not path.exists() and not path.is_symlink():
        return []
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise UsageError(f"{path}: a link, no regular file, or larger than {_MAX_BYTES} bytes.")
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(model.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise UsageError(
                f"{path}, line {number}: {where}: {first['msg']}. `git checkout` restores the file."
            ) from None
    return found


def append(path: Path, model: type[Item], new: Iterable[Item]) -> None:
    """Append records; the file is the old or the whole new one.

    Processes that append at a time wait for one another. Raises UsageError if it is damaged.
    """
    with _alone(path.parent):
        lines = [*read_list(path, model), *new]
        text = "".join(f"{json.dumps(each.model_dump(mode='json'))}\n" for each in lines)
        atomic.write(path, lambda file: file.write(text.encode("utf-8")))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Inside, no other process appends records to a file of the folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
