"""A journal: a file of entries, one per line, each with a checksum.

Damage affects the damaged lines only: they are moved to a file beside the journal, and whole lines
are kept. A kill leaves half a line at the end; nothing has relied on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from suite.disk import naming_full

Entry = dict[str, Any]

_UNFINISHED = re.compile(rb"[0-9a-f]{0,16}|[0-9a-f]{16} [ -~]*")


def line_of(entry: Entry) -> bytes:
    """An entry as a line of the file."""
    text = json.dumps(entry, separators=(",", ":")).encode()
    return _checksum(text) + b" " + text + b"\n"


def read_entries(path: Path) -> Iterator[Entry]:
    """The whole entries of a file as it is now; another process may be writing to it."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError:
        return
    yield from filter(None, map(_entry_of, lines))


class Journal:
    """The entries of one file. Only one process at a time may have it open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: lines that were damaged when the file was opened
        self.damaged = 0
        #: entries that were whole then
        self.entries: list[Entry] = []
        if path.exists():
            self._open()

    @property
    def damage_file(self) -> Path:
        """Where damaged lines are moved."""
        return self._path.with_name(f"{self._path.name}.damaged")

    def append(self, entry: Entry) -> None:
        """Write an entry; it is on the disk when this returns."""
        self._write([line_of(entry)], self._path)

    def _open(self) -> None:
        """Read the file, and write it again without damaged lines."""
        *lines, rest = self._path.read_bytes().split(b"\n")
        damaged = []
        for line in lines:
            entry = _entry_of(line)
            if entry is None:
                damaged.append(line)
            else:
                self.entries.append(entry)
        if rest and not _UNFINISHED.fullmatch(rest):
            damaged.append(rest)
        self.damaged = len(damaged)
        if damaged:
            self._write([line + b"\n" for line in damaged], self.damage_file)
        if damaged or rest:
            self._rewrite()

    def _rewrite(self) -> None:
        whole = self._path.with_name(f"{self._path.name}.part")
        whole.unlink(missing_ok=True)
        self._write([line_of(entry) for entry in self.entries], whole)
        whole.replace(self._path)

    def _write(self, lines: list[bytes], path: Path) -> None:
        before = path.stat().st_size if path.exists() else 0
        try:
            with naming_full(path.parent), path.open("ab") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                os.truncate(path, before)  # an incomplete line would damage the next one
            raise


def _entry_of(line: bytes) -> Entry | None:
    checksum, _, text = line.partition(b" ")
    if not text or checksum != _checksum(text):
        return None
    entry: Entry = json.loads(text)
    return entry


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()
