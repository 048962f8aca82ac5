"""Running the command line as a user does, in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "tests" / "files"
TINY = str(FILES / "tiny_task.py")


def environment(home: Path) -> dict[str, str]:
    """The environment of a fresh user whose suite folder is `home`."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "SUITE_HOME": str(home), "PYTHONPATH": path}


def command(*arguments: str) -> list[str]:
    """The `suite` command of this checkout."""
    return [sys.executable, "-m", "suite.cli", *arguments]


def suite(*arguments: str, home: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `suite` to its end."""
    return subprocess.run(
        command(*arguments),
        env=environment(home),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )


def start(*arguments: str, home: Path) -> subprocess.Popen[str]:
    """Start `suite` with arguments; what it prints and its errors can be read line by line."""
    return subprocess.Popen(
        command(*arguments),
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
