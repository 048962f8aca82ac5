"""Files that several processes may make at once: locked, and never half written."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from suite.errors import MissingData


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """One process at a time makes `target`; the lock of a process that dies is free again.

    Makes the folder. Raises MissingData if it cannot be written to.
    """
    from filelock import FileLock, Timeout

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.parent / f".{target.name}.lock")
        try:
            lock.acquire(timeout=1)
        except Timeout:
            print(f"waiting for another process that makes {target}", file=sys.stderr, flush=True)
            lock.acquire()
    except OSError as error:
        raise MissingData(
            f"cannot write to {target.parent}: {error}. Choose a folder that can be written to "
            "with --data-dir or SUITE_DATA_DIR, and with SUITE_HOME for the cache."
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Call `write` with a temporary file that then takes the path's place.

    Raises MissingData if there is no space.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch turns the one into the other
        Path(temporary).unlink(missing_ok=True)
        raise MissingData(
            f"writing {path} failed: {error}. Free some space, or choose another folder with "
            "SUITE_HOME."
        ) from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
