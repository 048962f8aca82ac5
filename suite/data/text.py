"""Texts of one small file each: fetched, checked and read as a whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from suite.data.dataset import Check, Dataset
from suite.data.download import Remote, download
from suite.errors import DamagedData


@dataclass(frozen=True)
class Text:
    """A text and its `fingerprint`, the beginning of its SHA-256."""

    text: str
    fingerprint: str
    canonical: bool
    source: str


@dataclass(frozen=True, kw_only=True)
class TextSet(Dataset):
    """One UTF-8 file in a data folder."""

    file: str
    remote: Remote

    def is_there(self, folder: Path) -> bool:
        return (folder / self.file).is_file()

    def fetch(self, folder: Path) -> None:
        if not self.is_there(folder):
            download(self.remote, folder / self.file)

    def check(self, folder: Path) -> Check:
        text = self.load(folder)
        return Check(text.fingerprint, text.canonical, text.source)

    def seen(self, folder: Path) -> Check | None:
        return self.check(folder)  # small enough

    def load(self, folder: Path) -> Text:
        """The text. Raises MissingData if the file is missing, DamagedData if it is not text."""
        path = folder / self.file
        if not path.is_file():
            raise self.missing(folder)
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        canonical = self.remote.checksum == f"sha256:{digest}"
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DamagedData(
                f"{path} is not UTF-8 text ({error}). Delete it, so that it is downloaded again. "
                f"{self.help(folder)}"
            ) from error
        kind = "official file" if canonical else "another text"
        return Text(text, digest[:16], canonical, f"{self.title}, {kind}")


DATASETS: tuple[TextSet, ...] = (
    TextSet(
        name="shakespeare",
        title="Tiny Shakespeare",
        bytes=1_115_394,
        licence="none stated; the text is in the public domain",
        url="https://github.com/karpathy/char-rnn",
        layout="'tinyshakespeare.txt'",
        file="tinyshakespeare.txt",
        remote=Remote(
            urls=(
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
                "input.txt",
            ),
            checksum="sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            size=1_115_394,
        ),
    ),
)
