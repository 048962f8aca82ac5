"""A full disk while data is fetched or decoded: one error, in the same words everywhere.

Without this a full disk looks like damaged data, because reading, unpacking and writing raise the
same errors.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from suite import disk
from suite.errors import MissingData


class NoSpace(MissingData):
    """A disk is full, or a quota is used up: which folder, how much is free, and what to do."""

    def __init__(self, folder: Path, needed: int | None, settings: str) -> None:
        super().__init__(
            f"{disk.no_space(folder, needed)}. Free some space, or choose another folder with "
            f"{settings}; nothing that was downloaded is lost."
        )


@contextmanager
def full_disk_named(
    folder: Path, needed: int | None = None, settings: str = "SUITE_HOME or --data-dir"
) -> Iterator[None]:
    """Inside, an error that comes from a full disk is raised as NoSpace for this folder.

    `settings` are those that choose another folder. A NoSpace from inside keeps its own folder.
    """
    try:
        yield
    except NoSpace:
        raise
    except Exception as error:
        if disk.is_full(error):
            raise NoSpace(folder, needed, settings) from error
        raise


def write_all(file: FileIO, content: bytes, folder: Path, needed: int | None = None) -> None:
    """Write to a file without a buffer; writes as much at a time as there is space for.

    A buffer would report a full disk only when the file is closed, outside of such a block.
    """
    with full_disk_named(folder, needed):
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]


def require(folder: Path, needed: int) -> None:
    """Raise NoSpace if that many bytes are not free in a folder."""
    if shutil.disk_usage(folder).free < needed:
        raise NoSpace(folder, needed, "SUITE_HOME or --data-dir")
