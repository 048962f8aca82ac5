"""Where the suite keeps the files that it makes: study storage, caches and data.

`SUITE_HOME` names the folder; without it the platform's cache folder is used. `SUITE_DATA_DIR`
names a folder with data that is already there.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from suite.disk import naming_full
from suite.errors import UsageError

#: the folder that holds suite, tasks, baselines and leaderboard: a checkout, or site-packages
ROOT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """The suite's own folder; it may not exist yet."""
    chosen = os.environ.get("SUITE_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    from platformdirs import user_cache_path

    return user_cache_path("suite", appauthor=False)


def make_home() -> Path:
    """The suite's own folder; it is made if it is missing.

    Raises UsageError if nothing can be written to it.
    """
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise UsageError(
            f"the suite keeps its trials below {folder}, where nothing can be written: {reason}. "
            "Name another folder with the environment variable SUITE_HOME."
        )
    return folder


def data_folder(data_dir: str | Path | None = None) -> Path:
    """Where data is read from and downloaded to: the argument, SUITE_DATA_DIR or the home."""
    chosen = data_dir or os.environ.get("SUITE_DATA_DIR")
    return Path(chosen).expanduser().resolve() if chosen else home() / "data"


def make_folder(folder: Path) -> None:
    """Make a folder below the suite's own; raises UsageError with what to do if that fails."""
    try:
        with naming_full(folder):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be made ({error.strerror}): name a folder that can be written to "
            "with SUITE_HOME."
        ) from None
