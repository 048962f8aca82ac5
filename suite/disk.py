"""Full disks: distinguished from other errors, and described in the same words everywhere."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from suite.errors import SuiteError
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


def no_space_error(error: OSError, folders: Iterable[Path]) -> SuiteError:
    """An error for a full disk: names the written file or, if that is unknown, the fullest folder.

    Only for work that the same command can resume.
    """
    if error.filename is not None:
        place = Path(str(error.filename)).parent
    else:
        place = min(filter(Path.is_dir, folders), key=lambda f: shutil.disk_usage(f).free)
    return SuiteError(
        f"{no_space(place)}. Free some space and run the same command again; nothing is lost."
    )


@contextmanager
def naming_full(*folders: Path) -> Iterator[None]:
    """Inside, files are written below these folders: a full disk is reported as a full disk.

    Raises SuiteError with the folder.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise no_space_error(error, folders) from None


def _free(folder: Path) -> int:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(existing).free
