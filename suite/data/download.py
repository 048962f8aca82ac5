"""Downloading one file over HTTP: resumed where it stopped, checked, and never half there.

What has come lies in `<name>.part` beside the target until its checksum is right. The standard
library's client is used: it honours the usual proxy variables and adds no dependency.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from suite.data.locks import locked
from suite.data.transfer_view import make_transfer_view
from suite.errors import MissingData
from suite.words import human_size

#: without a byte for so long, the server counts as stalled
STALLED_SECONDS = 60.0
#: between a transfer that broke off and the next attempt
PAUSE_SECONDS = 1.0
_CHUNK = 1 << 18


class DownloadFailed(MissingData):
    """A download failed: what, from where, why, and what to do."""


@dataclass(frozen=True)
class Remote:
    """A file on the web: addresses, tried in order, and checksum, "md5:..." or "sha256:..."."""

    urls: tuple[str, ...]
    checksum: str
    size: int | None = None


class _Failed(Exception):
    """This address does not give the file; the text says why."""


class _BrokeOff(Exception):
    """The transfer ended early; another attempt may bring the rest."""


def download(remote: Remote, target: Path) -> None:
    """Make `target` the file with this checksum; nothing to do if it is.

    When several processes ask for it, one transfers it and the others wait. Raises DownloadFailed.
    """
    with locked(target):
        if target.is_file() and checksum_of(target, remote.checksum) == remote.checksum:
            return
        part = target.with_name(f"{target.name}.part")
        reasons = []
        for url in remote.urls:
            try:
                _transfer(url, remote, part)
                os.replace(part, target)
                return
            except _Failed as error:
                reasons.append(f"{url}: {error}")
        raise DownloadFailed(f"downloading {target.name} failed: {'; '.join(reasons)}.")


def checksum_of(path: Path, like: str) -> str:
    """The checksum of a file in the notation, and with the algorithm, of another."""
    algorithm = like.split(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _transfer(url: str, remote: Remote, part: Path) -> None:
    """Bring the whole file into `part`, in as many attempts as bring anything new."""
    from_earlier = _size(part)
    while True:
        before = _size(part)
        try:
            _attempt(url, remote, part)
        except _BrokeOff as error:
            if _size(part) <= before:
                raise _Failed(str(error)) from error
            time.sleep(PAUSE_SECONDS)
            continue
        found = checksum_of(part, remote.checksum)
        if found == remote.checksum:
            return
        part.unlink()
        if not from_earlier:
            raise _Failed(
                f"its checksum is {found}, not {remote.checksum}: the file there has changed, or "
                "something between here and there replaces it"
            )
        from_earlier = 0  # the beginning may be of another version: once more, from the start


def _attempt(url: str, remote: Remote, part: Path) -> None:
    """One request for what is missing; returns when the file's end was reached."""
    start = _size(part)
    headers = {"User-Agent": "optimizer-suite", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=STALLED_SECONDS
        ) as response:
            if response.status != http.client.PARTIAL_CONTENT:
                start = 0  # the server knows no ranges, and sends all of it
            length = response.headers["Content-Length"]
            total = start + int(length) if length and length.isdigit() else remote.size
            if remote.size is not None and total != remote.size:
                raise _Failed(
                    f"the server has {total:,} bytes of it, not {remote.size:,}: another version"
                )
            _save(response, part, start, total)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            _settle_range(error, url, remote, part, start)
        else:
            raise _Failed(f"the server answered {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise _BrokeOff(f"nothing came for {STALLED_SECONDS:g} seconds") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _BrokeOff(f"no answer for {STALLED_SECONDS:g} seconds") from error
        raise _BrokeOff(f"{error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokeOff(f"{type(error).__name__}: {error}") from error


def _settle_range(
    error: urllib.error.HTTPError, url: str, remote: Remote, part: Path, start: int
) -> None:
    """The server has nothing after `start`: either that is all of it, or the part is wrong."""
    error.close()
    if error.headers.get("Content-Range", "") != f"bytes */{start}":
        part.unlink()
        _attempt(url, remote, part)


def _save(response: http.client.HTTPResponse, part: Path, start: int, total: int | None) -> None:
    """Append what comes from `start` on."""
    label = part.name.removesuffix(".part")
    try:
        file = part.open("ab" if start else "wb", buffering=0)
    except OSError as error:
        raise DownloadFailed(f"writing {part} failed: {error}.") from error
    with file, make_transfer_view(label, start, total) as view:
        if total is not None:
            _check_space(part, total - start)
        while chunk := response.read1(_CHUNK):
            _write(file, chunk, part, None if total is None else total - start)
            start += len(chunk)
            view.at(start)
    if total is not None and start < total:
        raise _BrokeOff(f"the connection ended after {start:,} of {total:,} bytes")


def _write(file: FileIO, chunk: bytes, part: Path, left: int | None) -> None:
    try:
        while chunk:
            chunk = chunk[file.write(chunk) :]
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(part, left) from error
        raise DownloadFailed(f"writing {part} failed: {error}.") from error


def _check_space(part: Path, left: int) -> None:
    if shutil.disk_usage(part.parent).free < left:
        raise _no_space(part, left)


def _no_space(part: Path, left: int | None) -> DownloadFailed:
    wanted = "" if left is None else f": {human_size(left)} are still to come"
    free = human_size(shutil.disk_usage(part.parent).free)
    return DownloadFailed(
        f"there is no space left in {part.parent}{wanted}, {free} are free. Free some, "
        "or choose another folder with --data-dir."
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
