"""What a data set is: its description for people, its place in a data folder, and getting it.

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

#: what is larger is fetched only by `suite data fetch`
AUTOMATIC_BYTES = 500_000_000


@dataclass(frozen=True)
class Check:
    """What data really is: `canonical` says that it is the data that tasks are defined on."""

    fingerprint: str
    canonical: bool
    source: str


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """A data set and its place in a data folder."""

    name: str
    title: str
    #: what a download transfers, about
    bytes: int
    licence: str
    #: home page, for people
    url: str
    #: what a folder must hold, to say so when it is missing
    layout: str

    @abstractmethod
    def is_there(self, folder: Path) -> bool:
        """Whether the folder holds it, by its names; nothing is read."""

    @abstractmethod
    def fetch(self, folder: Path) -> None:
        """Download what is missing and make it ready to load; nothing to do when it is there.

        Raises MissingData. A transfer that was interrupted goes on where it stopped.
        """

    @abstractmethod
    def check(self, folder: Path) -> Check:
        """Read all of it anew and say what it is.

        Raises DamagedData if it cannot be used as it is, MissingData if it is not there.
        """

    def seen(self, folder: Path) -> Check | None:
        """What is known of it without reading it all; None if it has not been read yet."""
        return None

    @property
    def automatic(self) -> bool:
        """Whether a run fetches it on its own."""
        return self.bytes < AUTOMATIC_BYTES

    @property
    def needs(self) -> str:
        """For lists of tasks: what it is and what it costs to get."""
        how = "downloaded once" if self.automatic else f"`suite data fetch {self.name}`"
        return f"{self.title} ({human_size(self.bytes)}, {how})"

    def prepare(self, folder: Path) -> None:
        """Make it ready before any trial starts: fetch what is small, refuse what is large.

        Raises MissingData with the command that gets it.
        """
        if self.is_there(folder):
            self.fetch(folder)  # it may still have to be decoded
        elif self.automatic:
            self.obtain(folder)
        else:
            raise self.missing(folder)

    def obtain(self, folder: Path) -> None:
        """Fetch it after one line that says what is downloaded; one clear message if that fails."""
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
        """The error for a folder that lacks it."""
        return MissingData(f"{self.title} was not found in {folder}. {self.help(folder)}")

    def help(self, folder: Path) -> str:
        """How to get it."""
        return (
            f"`{self.command(folder)}` gets it ({human_size(self.bytes)}; an interrupted download "
            "goes on where it stopped). Or give the folder that holds it with --data-dir or "
            f"SUITE_DATA_DIR: {self.layout}."
        )

    def command(self, folder: Path) -> str:
        """The command that fetches it into the folder."""
        where = "" if folder == data_folder() else f" --data-dir {shlex.quote(str(folder))}"
        return f"suite data fetch {self.name}{where}"
