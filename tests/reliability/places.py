"""Places that cannot be written to, a clock that goes back, and two processes on one study.

Needs root and the right to mount, for a disk that is really full and one that is really read-only.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from suite.results import files as results
from tests.commands import command, environment

TASK, METHOD = "xor_cluster_short", "adamw"
#: a command whose clock is 400 days behind
_BACK = """
import time
_now, _ns = time.time, time.time_ns
time.time = lambda: _now() - 400 * 86400
time.time_ns = lambda: _ns() - 400 * 86400 * 10**9
"""


def measure(folder: Path) -> dict[str, object]:
    """Each case: whether the command said what is wrong, lost nothing, and went on afterwards."""
    expected = _result(_run(folder / "undisturbed" / "home", folder / "undisturbed"))
    found = {
        "home on a full disk": _full(folder / "a", "home", expected),
        "results on a full disk": _full(folder / "b", "results", expected),
        "results read-only": _read_only(folder / "c"),
        "clock set back by 400 days": _clock(folder / "d", expected),
        "two processes on one study": _two(folder / "e", expected),
    }
    return {**found, "good": all(found.values())}


class Done:
    """How a command ended."""

    def __init__(self, code: int, said: str, place: Path) -> None:
        self.code, self.said, self.place = code, said, place

    @property
    def plain(self) -> bool:
        """No traceback was shown."""
        return "Traceback" not in self.said


def _run(home: Path, place: Path, **more: str) -> Done:
    place.mkdir(parents=True, exist_ok=True)
    process = _start(home, place, **more)
    said, _ = process.communicate(timeout=600)
    return Done(process.returncode, said, place)


def _start(home: Path, place: Path, **more: str) -> subprocess.Popen[str]:
    asked = ("run", "-o", METHOD, "-t", TASK, "--jobs", "2", "--results", str(place / "results"))
    return subprocess.Popen(
        command(*asked),
        env={**environment(home), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _result(done: Done) -> dict[str, object]:
    path = done.place / "results" / TASK / f"{METHOD}.quick.json"
    return results.read(path).comparable() if path.exists() else {"no result": done.said}


@contextmanager
def _disk(place: Path, *options: str) -> Iterator[Path]:
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", *options, "tmpfs", str(place)]
    if subprocess.run(mount).returncode != 0:
        sys.exit("this part needs root, and the right to mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _full(folder: Path, what: str, expected: dict[str, object]) -> bool:
    """A disk without room: the words, then room, and the same command goes on."""
    with _disk(folder / what, "-o", "size=4m") as place:
        filler = place / "filler"
        with suppress(OSError), filler.open("wb") as file:
            file.write(bytes(8 * 2**20))
        home = place if what == "home" else folder / "home"
        first = _run(home, folder)
        filler.unlink()
        again = _run(home, folder)
        told = first.code != 0 and first.plain and "no space left" in first.said
        return told and again.code == 0 and _result(again) == expected


def _read_only(folder: Path) -> bool:
    with _disk(folder / "results") as place:
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        done = _run(folder / "home", folder)
        return done.code == 2 and done.plain and str(place) in done.said


def _clock(folder: Path, expected: dict[str, object]) -> bool:
    """A study that is interrupted and goes on while the clock is behind."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_BACK)
    process = _start(folder / "home", folder)
    time.sleep(6)
    process.terminate()
    process.communicate(timeout=60)
    path = environment(folder)["PYTHONPATH"]
    again = _run(folder / "home", folder, PYTHONPATH=f"{folder}:{path}")
    return again.code == 0 and again.plain and _result(again) == expected


def _two(folder: Path, expected: dict[str, object]) -> bool:
    """The second process is refused, or finds the result of the first."""
    folder.mkdir()
    both = [_start(folder / "home", folder) for _ in range(2)]
    said = [process.communicate(timeout=600)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    plain = all("Traceback" not in each for each in said)
    done = Done(codes[0], said[0], folder)
    return codes in ([0, 2], [0, 0]) and plain and _result(done) == expected
