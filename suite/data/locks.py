"""Files that several processes may want to make at once: one process makes each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suite.data.space import full_disk_named
from suite.errors import MissingData


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """One process at a time makes `target`; the lock ends with its process.

    Makes the folder. Raises MissingData if it cannot be written to.
    """
    from filelock import FileLock, Timeout

    try:
        with full_disk_named(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(target.parent / f".{target.name}.lock")
            try:
                lock.acquire(timeout=1)
            except Timeout:
                waiting = f"waiting for another process that makes {target}"
                print(waiting, file=sys.stderr, flush=True)
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
