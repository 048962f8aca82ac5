"""Full disks: told apart from other errors, and described in the same words everywhere."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from suite.words import human_size


def is_full(error: BaseException | None) -> bool:
    """Whether an error comes from a full disk or a used-up quota.

    Errors that it was raised from or after count too: torch turns an OSError into a RuntimeError.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def no_space(folder: Path, needed: int | None = None) -> str:
    """What is wrong, without a full stop: "there is no space left in <folder>: 12 MB are free"."""
    free = human_size(_free(folder))
    if needed is None:  # what was written last is removed by now, so there may be some space again
        return f"there is no space left in {folder}: {free} are free, and more is needed"
    return (
        f"there is no space left in {folder}: {human_size(needed)} more are needed, {free} are free"
    )


def _free(folder: Path) -> int:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(existing).free
