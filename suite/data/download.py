"""Downloading one file over HTTP: resumed after an interruption, and checked.

The file has the name `<name>.part` until it is complete and its checksum is right. The standard
library's client is used: it respects the usual proxy variables and adds no dependency.
"""

from __future__ import annotations

import email.utils
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPMessage
from io import FileIO
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

from suite.data.locks import locked
from suite.data.space import full_disk_named, require, write_all
from suite.data.transfer_view import make_transfer_view
from suite.errors import MissingData
from suite.words import duration

#: a server that sends nothing for this time counts as stalled
STALLED_SECONDS = 60.0
#: pause before the next attempt after a transfer that broke off; doubled for each time in a row
#: that the server was busy
PAUSE_SECONDS = 1.0
#: attempts at a server that is busy, and the longest pause that it may ask for
BUSY_ATTEMPTS = 3
LONGEST_PAUSE_SECONDS = 60.0
_BUSY = (429, 500, 502, 503, 504)
_SCHEMES = ("http", "https")
_CHUNK = 1 << 18


class DownloadFailed(MissingData):
    """A download failed: the text names the file, the addresses and the reasons."""


@dataclass(frozen=True)
class Remote:
    """A file on the web: addresses, tried in order, and checksum, "md5:..." or "sha256:..."."""

    urls: tuple[str, ...]
    checksum: str
    size: int | None = None
    #: where the size is not known: a file larger than this is not the expected one
    most: int = 1_000_000_000


class _Failed(Exception):
    """This address does not give the file; the text gives the reason."""


class _Busy(Exception):
    """The server may answer later; `pause` is the number of seconds that it asks for, or 0."""

    def __init__(self, reason: str, pause: float) -> None:
        super().__init__(reason)
        self.pause = pause


class _BrokeOff(Exception):
    """The transfer ended early; another attempt may bring the rest."""


def download(remote: Remote, target: Path) -> None:
    """Download the file to `target`, unless it is already there with this checksum.

    If several processes ask for it, one transfers it and the others wait. Raises DownloadFailed.
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
    """The checksum of a file, with the algorithm and in the notation of another checksum."""
    algorithm = like.split(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _transfer(url: str, remote: Remote, part: Path) -> None:
    """Download the whole file into `part`; tries again while each attempt adds something."""
    from_earlier = _size(part)
    refused = 0
    while True:
        before = _size(part)
        try:
            _attempt(url, remote, part)
        except _Busy as error:
            refused += 1
            _wait(error, refused)
            continue
        except _BrokeOff as error:
            if _size(part) <= before:
                raise _Failed(str(error)) from error
            refused = 0
            time.sleep(PAUSE_SECONDS)
            continue
        found = checksum_of(part, remote.checksum)
        if found == remote.checksum:
            return
        part.unlink()
        if not from_earlier:
            raise _Failed(
                f"its checksum is {found}, not {remote.checksum}: the file there has changed, or "
                "a proxy replaces it"
            )
        from_earlier = 0  # the part may be of another version: one more try, from the start


def _wait(busy: _Busy, refused: int) -> None:
    """Pause before the next attempt; raises _Failed after the last, or if it would be too long."""
    if refused == BUSY_ATTEMPTS:
        raise _Failed(f"{busy}, {refused} times") from busy
    if busy.pause > LONGEST_PAUSE_SECONDS:
        raise _Failed(f"{busy}, and asks for a pause of {duration(busy.pause)}") from busy
    time.sleep(max(busy.pause, PAUSE_SECONDS * 2 ** (refused - 1)))


def _attempt(url: str, remote: Remote, part: Path) -> None:
    """One request for the missing bytes; returns when the file's end is reached."""
    start = _size(part)
    headers = {"User-Agent": "optimizer-suite", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        opener = urllib.request.build_opener(_HttpRedirects)
        with opener.open(
            urllib.request.Request(url, headers=headers), timeout=STALLED_SECONDS
        ) as response:
            if response.status != http.client.PARTIAL_CONTENT:
                start = 0  # the server supports no ranges and sends all of it
            length = _number(response.headers["Content-Length"])
            total = remote.size if length is None else start + length
            if remote.size is not None and total != remote.size:
                raise _Failed(
                    f"the server has {total:,} bytes of it, not {remote.size:,}: another version"
                )
            if total is not None and total > (remote.size or remote.most):
                raise _too_much(remote, part)
            _save(response, remote, part, start, total)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            _settle_range(error, url, remote, part, start)
        elif error.code in _BUSY:
            reason = f"the server answered {error.code} {error.reason}"
            raise _Busy(reason, _pause_asked_for(error.headers)) from error
        else:
            raise _Failed(f"the server answered {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise _BrokeOff(f"no data for {STALLED_SECONDS:g} seconds") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _BrokeOff(f"no answer for {STALLED_SECONDS:g} seconds") from error
        raise _BrokeOff(f"{error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokeOff(f"{type(error).__name__}: {error}") from error


def _settle_range(
    error: urllib.error.HTTPError, url: str, remote: Remote, part: Path, start: int
) -> None:
    """The server has nothing after `start`: the part is complete, or belongs to another file."""
    error.close()
    if error.headers.get("Content-Range", "") != f"bytes */{start}":
        part.unlink()
        _attempt(url, remote, part)


class _HttpRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to HTTP addresses only; urllib itself follows those to FTP, too."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request."""
        if urlsplit(newurl).scheme not in _SCHEMES:
            raise _Failed(f"the server redirects to {newurl}, which is not an HTTP address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _pause_asked_for(headers: Message) -> float:
    """The header Retry-After in seconds from now, which gives them or a date; 0 without it."""
    text = headers.get("Retry-After", "").strip()
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except ValueError:
        return 0.0


def _number(text: str | None) -> int | None:
    """The whole number in a header; None if there is none, or an impossible one."""
    if text is None or not (text.isascii() and text.isdecimal()) or len(text) > 18:
        return None
    return int(text)


def _too_much(remote: Remote, part: Path) -> _Failed:
    """The error for an answer that is not the file; none of it is kept."""
    part.unlink(missing_ok=True)
    return _Failed(f"the server sends more than {remote.size or remote.most:,} bytes: another file")


def _save(
    response: http.client.HTTPResponse, remote: Remote, part: Path, start: int, total: int | None
) -> None:
    """Append the body to the part, which then ends at `start` or is empty."""
    label = part.name.removesuffix(".part")
    most = remote.most if total is None else total
    with _open(part, "ab" if start else "wb") as file:
        if total is not None:
            require(part.parent, total - start)
        with make_transfer_view(label, start, total) as view:
            while chunk := response.read1(_CHUNK):
                if start + len(chunk) > most:
                    raise _too_much(remote, part)
                _write(file, chunk, None if total is None else total - start)
                start += len(chunk)
                view.at(start)
    if total is not None and start < total:
        raise _BrokeOff(f"the connection ended after {start:,} of {total:,} bytes")


def _open(part: Path, mode: Literal["ab", "wb"]) -> FileIO:
    try:
        with full_disk_named(part.parent):
            return part.open(mode, buffering=0)
    except OSError as error:
        raise DownloadFailed(f"writing {part} failed: {error}.") from error


def _write(file: FileIO, chunk: bytes, left: int | None) -> None:
    try:
        write_all(file, chunk, Path(file.name).parent, left)
    except OSError as error:
        raise DownloadFailed(f"writing {file.name} failed: {error}.") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
