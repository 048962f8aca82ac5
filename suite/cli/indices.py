"""Indices of results from a file or from the web, checked and made the published ones."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from leaderboard.index import MAX_BYTES, read_index
from leaderboard.loading import imported_index
from suite.errors import SuiteError, UsageError
from suite.home import make_home

_SCHEMES = ("http", "https")
#: a server that sends nothing for this time counts as stalled
_STALLED_SECONDS = 60.0
_CHUNK = 1 << 18


def import_index(file: Path) -> str:
    """Check every result of an index and use it from now on; returns what was imported.

    Raises SuiteError naming what is wrong.
    """
    stored = [line.stored for line in read_index(file)]
    methods = {result.method.name for _, result in stored}
    tasks = {result.task.name for _, result in stored}
    make_home()
    target = imported_index()
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(file, part)
    part.replace(target)
    return f"{len(stored)} results of {len(methods)} methods on {len(tasks)} tasks: {target}"


def forget_index() -> None:
    """Use the package's index again."""
    imported_index().unlink(missing_ok=True)


def fetch_index(url: str, sha256: str | None) -> str:
    """Download an index and import it; returns what was imported and the file's SHA-256.

    Raises UsageError for an address or a digest that is none, SuiteError if the download fails or
    the file is not the expected one.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise UsageError(f"{url}: not an address that begins with http:// or https://")
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError("--sha256 takes 64 hexadecimal digits.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index"
        found = _download(url, file)
        if sha256 is not None and found != sha256.lower():
            raise SuiteError(f"{url}: its SHA-256 is {found}, not {sha256.lower()}: another file")
        try:
            imported = import_index(file)
        except SuiteError as error:
            raise SuiteError(str(error).replace(str(file), url)) from None
    return f"{imported}\nSHA-256 of the file: {found}"


def _download(url: str, file: Path) -> str:
    """Save what an address gives, at most `MAX_BYTES`; returns its SHA-256."""
    digest, size = hashlib.sha256(), 0
    request = urllib.request.Request(url, headers={"User-Agent": "optimizer-suite"})
    try:
        with (
            urllib.request.build_opener(_HttpOnly).open(
                request, timeout=_STALLED_SECONDS
            ) as answer,
            file.open("wb") as saved,
        ):
            while chunk := answer.read(_CHUNK):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise SuiteError(f"{url}: more than {MAX_BYTES:,} bytes: no index of results")
                digest.update(chunk)
                saved.write(chunk)
    except urllib.error.HTTPError as error:
        raise SuiteError(f"{url}: the server answered {error.code} {error.reason}") from None
    except OSError as error:  # URLError and a timeout are such
        raise SuiteError(f"{url}: {getattr(error, 'reason', error)}") from None
    return digest.hexdigest()


class _HttpOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to HTTP addresses only."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """The next request."""
        if urlsplit(newurl).scheme not in _SCHEMES:
            raise SuiteError(f"the server redirects to {newurl}, which is not an HTTP address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
