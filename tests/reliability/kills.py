"""Studies that are killed again and again, and what becomes of their trials."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from suite.results import files as results
from suite.results.model import Result
from suite.studies.journal import read_entries
from tests.commands import command, environment

TASK, METHOD, PROTOCOL = "xor_cluster_short", "adamw", "standard"
#: what is killed: the whole group, the command alone, a trial's process, the process that starts
#: them; or the group while a file is being written
KINDS = ("group", "command", "worker", "starter", "write")
#: a worker is killed more often, since the command goes on, and the next kill comes sooner
_WEIGHTS = (1, 1, 6, 1, 1)
_LONGEST_WAIT = {"worker": 0.6}
#: seconds within which all processes of a killed command must have ended
GONE = 10.0
#: how often a study is started and killed
_STARTS = 60
_JOURNALS = "studies/**/*.journal"


@dataclass
class Counted:
    """What was seen so far."""

    studies: int = 0
    signals: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    #: studies whose result is that of an undisturbed one
    same: int = 0
    #: trials that had ended and were not there after the kill
    lost: int = 0
    #: kills after which processes were left, or files that a kill left behind
    processes_left: int = 0
    files_left: int = 0
    #: commands that ended with a traceback, or did not resume
    broken: int = 0

    @property
    def good(self) -> bool:
        """Nothing lost, changed or left."""
        left = self.lost + self.processes_left + self.files_left + self.broken
        return self.same == self.studies and left == 0


class Kills:
    """Kills studies in a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(f"{seed}-{os.getpid()}")
        self._undisturbed = self._run_undisturbed()

    def study(self, counted: Counted) -> None:
        """One study, killed until it has ended; adds to `counted`."""
        place = self._folder / "killed"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        before: set[tuple[object, ...]] = set()
        for start in range(_STARTS + 1):
            process = self._start(place)
            # On a busy machine most kills come before a trial: the last start may end.
            killed = start < _STARTS and self._disturb(process, place, counted)
            said = process.communicate(timeout=300)[0]
            counted.broken += "Traceback" in said
            if killed and not self._all_gone(process.pid):
                counted.processes_left += 1
            now = finished(place)
            counted.lost += len(before - now)
            before = now
            if process.returncode == 0:
                break
            counted.broken += not killed
        counted.studies += 1
        path = place / "results" / TASK / f"{METHOD}.{PROTOCOL}.json"
        result = results.read(path) if path.exists() else None
        same = result is not None and self._is_same(result)
        counted.same += same
        if not same:  # kept, to find out why
            shutil.copytree(place, self._folder / f"differs-{counted.studies}")
        counted.files_left += len(list(place.rglob(".*.part")))

    def _disturb(self, process: subprocess.Popen[str], place: Path, counted: Counted) -> bool:
        """Send signals until one has ended the command, or it has ended; whether one has."""
        while process.poll() is None:
            kind = self._chance.choices(KINDS, _WEIGHTS)[0]
            writes = self._wait(process, place, kind)
            if process.poll() is not None or (kind == "write" and not writes):
                continue
            if not self._kill(kind, process.pid):
                continue
            counted.signals += 1
            counted.by_kind[kind] = counted.by_kind.get(kind, 0) + 1
            if kind not in ("worker", "starter"):
                return True
        return False

    def _wait(self, process: subprocess.Popen[str], place: Path, kind: str) -> bool:
        """Wait for a random time, or until a file is being written; whether one is."""
        until = time.monotonic() + self._chance.uniform(0.05, _LONGEST_WAIT.get(kind, 9.0))
        while time.monotonic() < until and process.poll() is None:
            if kind == "write" and any(place.rglob(".*.part")):
                return True
            time.sleep(0.002 if kind == "write" else 0.05)
        return False

    def _kill(self, kind: str, command: int) -> bool:
        """Whether there was something to kill."""
        with suppress(ProcessLookupError):
            if kind in ("group", "write"):
                os.killpg(command, signal.SIGKILL)
                return True
            if kind == "command":
                os.kill(command, signal.SIGKILL)
                return True
            starters = list(children(command))
            workers = [each for starter in starters for each in children(starter)]
            chosen = workers if kind == "worker" else starters
            if chosen:
                os.kill(self._chance.choice(chosen), signal.SIGKILL)
                return True
        return False

    def _all_gone(self, session: int) -> bool:
        until = time.monotonic() + GONE
        while any(True for _ in of_session(session)):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def _start(self, place: Path) -> subprocess.Popen[str]:
        asked = ("run", "-o", METHOD, "-t", TASK, "-p", PROTOCOL, "--jobs", "2")
        return subprocess.Popen(
            command(*asked, "--results", str(place / "results")),
            env=environment(place / "home"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _run_undisturbed(self) -> Result:
        place = self._folder / "undisturbed"
        path = place / "results" / TASK / f"{METHOD}.{PROTOCOL}.json"
        if not path.exists():
            place.mkdir(exist_ok=True)
            said, _ = self._start(place).communicate()
            if not path.exists():
                sys.exit(said)
        return results.read(path)

    def _is_same(self, result: Result) -> bool:
        return result.comparable() == self._undisturbed.comparable()


def finished(place: Path) -> set[tuple[object, ...]]:
    """The trials that the study's journal has finished."""
    found = set()
    for path in (place / "home").glob(_JOURNALS):
        for entry in read_entries(path):
            if "finished" in entry:
                found.add((path.name, *entry["finished"], entry["run"]["validation_score"]))
    return found


def children(parent: int) -> Iterator[int]:
    """The processes that a process has started."""
    with suppress(OSError):
        for number in (Path(f"/proc/{parent}/task/{parent}/children")).read_text().split():
            yield int(number)


def of_session(session: int) -> Iterator[int]:
    """The living processes of a session."""
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, *rest = place.read_text().rpartition(") ")[2].split()
            if int(rest[2]) == session and state != "Z":
                yield int(place.parent.name)
