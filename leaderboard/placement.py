"""Replacing an older site by a new one, without deleting files that no build made.

A site is replaced as a whole, so that no page of an older build remains. A marker in it lists the
files that the build wrote; if there is any other file (a CNAME, the .git of a worktree), the site
is not replaced.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from suite.errors import UsageError

MARKER = ".suite-leaderboard"
_TITLE = "made by: suite leaderboard build"
_NAMED = 5
#: all files ever written by builds whose marker has no list yet
_UNLISTED = re.compile(
    r"(index|protocol)\.html|results\.csv|assets/leaderboard\.(css|js)|(tasks|methods)/[^/]+\.html"
)


def check_replaceable(output: Path) -> None:
    """Raise UsageError unless `output` is missing, empty, or a built site and nothing else."""
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"{output} is a file; name a folder for the site")
    if not (output / MARKER).is_file():
        if any(output.iterdir()):
            raise UsageError(
                f"{output} holds files that are not a leaderboard's; name an empty or a new folder"
            )
        return
    foreign = _foreign_files(output)
    if foreign:
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        raise UsageError(
            f"{output} is replaced as a whole, but holds files that no build of the leaderboard "
            f"wrote: {', '.join(foreign[:_NAMED])}{more}. Move them elsewhere, or build into a new "
            "folder and copy the site from there"
        )


def _foreign_files(site: Path) -> list[str]:
    lines = (site / MARKER).read_text("utf-8", errors="replace").splitlines()
    listed = frozenset(lines[1:])
    found = []
    for path in site.rglob("*"):
        name = path.relative_to(site).as_posix()
        if path.is_symlink():  # a build makes files and never links
            found.append(name)
        elif not path.is_dir() and name != MARKER:
            known = name in listed if listed else _UNLISTED.fullmatch(name)
            if not known:
                found.append(name)
    return sorted(found)


def write_marker(site: Path) -> None:
    """List the files of a new site in its marker."""
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file())
    (site / MARKER).write_text("\n".join([_TITLE, *names, ""]), encoding="utf-8")


def swap(made: Path, output: Path, old: Path) -> None:
    """Put the new site in place of the old one; if that fails, the old one remains."""
    replaced = output.exists()
    if replaced:
        os.replace(output, old)
    try:
        os.replace(made, output)
    except OSError:
        if replaced:
            os.replace(old, output)
        raise
    if replaced:
        shutil.rmtree(old)
