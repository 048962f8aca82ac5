"""Runs of a stranger's code, apart from the checker: on a copy, in a sandbox, bounded in time.

The copy is the checker's own checkout with the submission's changed files of `tasks/` and
`baselines/` on top: whatever a submission changes in the suite, its methods run with the suite that
they are proposed for. The sandbox is bubblewrap's: everything but the copy is read-only, there is
no network, no capability and no other process, and all that a run has started ends with it. Where
bubblewrap cannot be had the runs are processes of the checker's user, and the checker looks whether
its own files were changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from suite.home import ROOT

#: seconds after which a command counts as hanging
LIMIT = 1_800.0
#: of the output of one command, this number of first and of last characters is kept
SHOWN = 6_000
#: the program that makes the sandbox
BUBBLEWRAP = "bwrap"
_MAX_FILE = 2**30
#: where sockets and other people's files are
_HIDDEN = tuple(map(Path, ("/run", "/var/run", "/tmp", "/var/tmp", "/root")))
_SECRETS = tuple(map(Path, ("/etc/shadow", "/etc/gshadow", "/etc/sudoers")))
_COPIED = ("suite", "tasks", "baselines", "leaderboard")
#: of the checker's environment nothing else is passed on
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TZ")


class Workshop:
    """Where a submission's code is run."""

    def __init__(self, submission: Path, files: Sequence[str], deleted: Sequence[str]) -> None:
        self._submission = submission
        self._files = files
        self._deleted = deleted
        self.apart = can_be_apart()
        self._checker = "" if self.apart else digest_of_checker()

    @contextlib.contextmanager
    def copy(self) -> Iterator[Path]:
        """A fresh copy, gone afterwards; results belong below its folder `written`."""
        with tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True) as made:
            folder = Path(made).resolve() / "copy"
            for name in _COPIED:
                shutil.copytree(ROOT / name, folder / name, ignore=_no_caches)
            self._put_changes(folder)
            for name in ("written", "home", "tmp"):
                (folder / name).mkdir()
            yield folder

    def _put_changes(self, folder: Path) -> None:
        for file in self._deleted:
            if file.startswith(("tasks/", "baselines/")):
                (folder / file).unlink(missing_ok=True)
        for file in self._files:
            source = self._submission / file
            inside = source.resolve().is_relative_to(self._submission)
            if not file.startswith(("tasks/", "baselines/", "results/")):
                continue
            if source.is_symlink() or not inside or not source.is_file():
                continue  # the other job has refused it
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / file)

    def run(self, folder: Path, arguments: Sequence[str], limit: float = LIMIT) -> tuple[int, str]:
        """Run the copy's `suite`: its exit code, and the beginning and end of what it printed."""
        process = subprocess.Popen(
            [*self._sandbox(folder), sys.executable, "-P", "-m", "suite.cli", *arguments],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_bound,
        )
        assert process.stdout is not None
        kept = _Kept()
        reader = threading.Thread(target=kept.read, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = 124
        # Processes that it started may still hold the pipe, or write into the next run.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(10)
        return code, kept.text + (f"\nended after {limit:g} s" if code == 124 else "")

    def harm(self) -> str:
        """What a run has done to the checker, in words; empty if nothing is seen."""
        if not self.apart and digest_of_checker() != self._checker:
            return "the files of the checker were changed while it ran"
        return ""

    def _sandbox(self, folder: Path) -> list[str]:
        return sandbox(folder) if self.apart else []


def sandbox(folder: Path) -> list[str]:
    """The beginning of a command that may write only to a folder.

    On a runner root makes the sandbox, and is root in it without any right: what belongs to root
    can still be read, and a socket connected to. So the places of sockets are empty there, and of
    what lies in them, as below the home of root, only Python is seen; nothing of the kernel's
    settings can be written.
    """
    python = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    hidden = [place for place in _HIDDEN if place.is_dir() and not place.is_symlink()]
    shown = [p for p in sorted({*python, ROOT}) if any(p.is_relative_to(h) for h in hidden)]
    secret = [str(file) for file in _SECRETS if file.exists()]
    return [
        *(BUBBLEWRAP, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *("--ro-bind", "/proc/sys", "/proc/sys"),
        *(word for place in hidden for word in ("--tmpfs", str(place))),
        *(word for file in secret for word in ("--ro-bind", "/dev/null", file)),
        *(word for path in shown for word in ("--ro-bind", str(path), str(path))),
        *("--bind", str(folder), str(folder)),
        *(word for place in hidden for word in ("--remount-ro", str(place))),
        *("--unshare-all", "--cap-drop", "ALL"),
        *("--new-session", "--die-with-parent", "--chdir", str(folder), "--"),
    ]


def can_be_apart() -> bool:
    """Whether this machine has a sandbox that works, which a container may not allow."""
    if shutil.which(BUBBLEWRAP) is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = [*sandbox(Path(folder).resolve()), sys.executable, "-c", "pass"]
        return subprocess.run(command, capture_output=True).returncode == 0


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE, _MAX_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def digest_of_checker() -> str:
    """A digest of all code that the checker may still read."""
    found = hashlib.sha256()
    for name in (*_COPIED, "scripts"):
        for path in sorted((ROOT / name).rglob("*.py")):
            found.update(f"{path.relative_to(ROOT)}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def _environment(folder: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    own = {"HOME": folder / "home", "SUITE_HOME": folder / "home", "TMPDIR": folder / "tmp"}
    return {
        **passed,
        **{name: str(path) for name, path in own.items()},
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _no_caches(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


class _Kept:
    """The beginning and the end of an output of any length."""

    def __init__(self) -> None:
        self._head, self._tail, self._length = b"", b"", 0

    def read(self, stream: IO[bytes]) -> None:
        """Read to the end."""
        while chunk := os.read(stream.fileno(), 65_536):
            self._length += len(chunk)
            room = SHOWN - len(self._head)
            self._head, rest = self._head + chunk[:room], chunk[room:]
            self._tail = (self._tail + rest)[-SHOWN:]

    @property
    def text(self) -> str:
        """The kept output."""
        left_out = self._length - len(self._head) - len(self._tail)
        between = f"\n... {left_out} bytes ...\n" if left_out else ""
        head, tail = (part.decode("utf-8", errors="replace") for part in (self._head, self._tail))
        return head + between + tail
