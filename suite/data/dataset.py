"""What a data set is: its description, its place in a data folder, and how it is fetched.

Importing this needs no torch.
"""

from __future__ import annotations

import shlex
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from suite.data.download import DownloadFailed
from suite.errors import MissingData
from suite.home import data_folder
from suite.words import human_size

#: larger data is fetched only by `suite data fetch`
AUTOMATIC_BYTES = 500_000_000


@dataclass(frozen=True)
class Check:
    """What was found: `canonical` says that it is the data that tasks are defined on."""

    fingerprint: str
    canonical: bool
    source: str


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """A data set and its place in a data folder."""

    name: str
    title: str
    #: approximate size of the download
    bytes: int
    licence: str
    #: home page
    url: str
    #: what a folder must hold, for messages
    layout: str

    @abstractmethod
    def is_there(self, folder: Path) -> bool:
        """Whether the folder holds it, judged by the names of its files; nothing is read."""

    @abstractmethod
    def fetch(self, folder: Path) -> None:
        """Download missing files and make them ready to load.

        Raises MissingData. An interrupted transfer is resumed.
        """

    @abstractmethod
    def check(self, folder: Path) -> Check:
        """Read all of it again and describe it.

        Raises DamagedData if it cannot be used, MissingData if it is missing.
        """

    def seen(self, folder: Path) -> Check | None:
        """What an earlier check found; None if there was none."""
        return None

    @property
    def automatic(self) -> bool:
        """Whether `suite run` fetches it."""
        return self.bytes < AUTOMATIC_BYTES

    @property
    def needs(self) -> str:
        """For lists of tasks: its title, and the size of its download."""
        how = "downloaded once" if self.automatic else f"`suite data fetch {self.name}`"
        return f"{self.title} ({human_size(self.bytes)}, {how})"

    def prepare(self, folder: Path) -> None:
        """Make it ready before any trial starts: fetch it if it is small, else raise an error.

        Raises MissingData with the command that fetches it.
        """
        if self.is_there(folder):
            self.fetch(folder)  # it may still have to be decoded
        elif self.automatic:
            self.obtain(folder)
        else:
            raise self.missing(folder)

    def obtain(self, folder: Path) -> None:
        """Fetch it, after one line about size and licence; a failure is one MissingData."""
        print(
            f"{self.title}: {human_size(self.bytes)} to download into {folder}. "
            f"Licence: {self.licence} ({self.url}).",
            file=sys.stderr,
            flush=True,
        )
        try:
            self.fetch(folder)
        except DownloadFailed as error:
            raise MissingData(
                f"{self.title} was not found in {folder}, and {error} {self.help(folder)}"
            ) from error

    def missing(self, folder: Path) -> MissingData:
        """The error for a folder in which it is missing."""
        return MissingData(f"{self.title} was not found in {folder}. {self.help(folder)}")

    def help(self, folder: Path) -> str:
        """How to get it."""
        return (
            f"`{self.command(folder)}` fetches it ({human_size(self.bytes)}; an interrupted "
            "download is resumed). Or give the folder that holds it with --data-dir or "
            f"SUITE_DATA_DIR: {self.layout}."
        )

    def command(self, folder: Path) -> str:
        """The command that fetches it into the folder."""
        where = "" if folder == data_folder() else f" --data-dir {shlex.quote(str(folder))}"
        return f"suite data fetch {self.name}{where}"
