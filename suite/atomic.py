"""Files that are written atomically: there is always the old file or the whole new one.

A process that is killed while it writes leaves a temporary file behind; the next write in the
folder removes it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".part"


def write(path: Path, writer: Callable[[BinaryIO], object], *, replace: bool = True) -> None:
    """Call `writer` with a temporary file, wait until it is on the disk, and give it its name.

    The folder must exist. Readable by everybody (mode 0644). Without `replace`, raises
    FileExistsError if the name is taken. Any error leaves the folder as it was.
    """
    _remove_abandoned(path)
    file, temporary = _temporary_file(path)
    try:
        with file:
            writer(file)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
            if replace:
                os.replace(temporary, path)
            else:
                _rename_to_free_name(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary_file(path: Path) -> tuple[BinaryIO, Path]:
    """A new file beside the path, locked for as long as it is open or its process lives."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # else it was taken for an abandoned one before the lock
            return os.fdopen(handle, "wb"), Path(name)
        os.close(handle)


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files of the folder that no living process has locked."""
    for found in path.parent.glob(f".*{_SUFFIX}"):
        with suppress(OSError), found.open("rb") as file:  # OSError: locked, or gone already
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.unlink()


def _rename_to_free_name(temporary: Path, path: Path) -> None:
    """Rename a file; raises FileExistsError if the name is taken, also in this moment."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: there the file is empty for a moment
        path.touch(exist_ok=False)
        os.replace(temporary, path)
    else:
        temporary.unlink()
