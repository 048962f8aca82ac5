"""Reading many result files as lines of an index, with a second process if there are many.

The second process is this module as a program. (A pool of `multiprocessing` would run a user's
script again that does not guard its main part.)
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from leaderboard.index import Line, line_of
from suite.errors import InvalidResult, SuiteError
from suite.home import ROOT
from suite.results import files

#: files from which on a second process saves more time than its start takes
MANY = 300


class File(NamedTuple):
    """A result file, and where it is below its results folder."""

    path: str
    where: str

    @property
    def task(self) -> str:
        """The name of its folder."""
        return Path(self.path).parent.name


def sha256_of(file: File) -> str | None:
    """The SHA-256 of a file; None for what is no readable regular file: `read_file` says why."""
    path = Path(file.path)
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > files.MAX_BYTES:
            return None
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def read_file(file: File) -> Line | str:
    """A file's line, or why it is no valid result."""
    path = Path(file.path)
    digest = sha256_of(file)
    try:
        result = files.read(path)
        files.check_place(result, path)
    except InvalidResult as error:
        return str(error).removeprefix(f"{path}: ")
    if digest is None:
        return "not readable: it changes while it is read"
    return line_of(file.where, digest, result)


def read_files(given: Sequence[File]) -> dict[File, Line | str]:
    """The line of each file, or why it is no valid result."""
    if len(given) < MANY or not sys.executable:
        return {file: read_file(file) for file in given}
    half = len(given) // 2
    mine, others = given[:half], given[half:]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with subprocess.Popen(
        [sys.executable, "-m", "leaderboard.reading"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # it has ended: its exit code is looked at below
            process.stdin.write(json.dumps(others))
            process.stdin.close()
        found = {file: read_file(file) for file in mine}
        answers = [json.loads(line) for line in process.stdout]
    if process.returncode or len(answers) != len(others):
        raise SuiteError(
            f"a process that reads result files ended with exit code {process.returncode}"
        )
    for file, answer in zip(others, answers, strict=True):
        found[file] = answer if isinstance(answer, str) else Line(*answer)
    return found


def main() -> None:
    """Read the files of a JSON list on standard input; print a JSON line for each, in order."""
    answers = [read_file(File(*file)) for file in json.load(sys.stdin)]
    for answer in answers:
        print(json.dumps(answer if isinstance(answer, str) else list(vars(answer).values())))


if __name__ == "__main__":
    main()
