"""Where images come from: their files in a data folder and on the web, fetched and unpacked.

Importing this needs no torch. Addresses and MD5 sums are those of torchvision's classes. A data
folder holds torchvision's own layout, so that data that torchvision downloaded is used as it is.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from suite.data.download import DownloadFailed, Remote, checksum_of, download
from suite.data.locks import locked
from suite.data.space import full_disk_named

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
#: what unpacking raises when the archive is damaged; OSError also when the disk is full
UNPACK_ERRORS = (OSError, RuntimeError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error)
_IDX_FILES = tuple(
    f"{split}-{content}-ubyte"
    for split in ("train", "t10k")
    for content in ("images-idx3", "labels-idx1")
)


class Found(NamedTuple):
    """Where a data set is: as `files` that torchvision reads, packed `archives`, or `folders`."""

    path: Path
    layout: str


@dataclass(frozen=True, kw_only=True)
class ImageSource(ABC):
    """The files of one data set of images, which torchvision reads."""

    #: torchvision's class
    reader: str
    #: arguments of torchvision's class, beside the folder and the split
    options: tuple[tuple[str, str], ...] = ()
    #: place of the files in a data folder
    place: str

    @abstractmethod
    def locate(self, folder: Path) -> Found | None:
        """Where they are in a data folder; official files take precedence."""

    @abstractmethod
    def download(self, folder: Path, most: int) -> None:
        """Download the official files into the folder, each of at most `most` bytes.

        Raises DownloadFailed, or NoSpace if the disk is full.
        """

    @property
    def torchvision_class(self) -> Any:
        """The class that reads them."""
        from suite.data.vision import torchvision_module  # imports torch

        return getattr(torchvision_module("torchvision.datasets"), self.reader)


@dataclass(frozen=True, kw_only=True)
class CifarSource(ImageSource):
    """One tar archive of pickled arrays, or image folders `<images>/{train,test}/<class>/*`."""

    #: present if all files are
    test_file: str
    #: place of the image folders, where they are read
    images: str = ""
    #: their names in the order of the labels
    classes: tuple[str, ...] = ()

    def locate(self, folder: Path) -> Found | None:
        if (folder / self.place / self.test_file).is_file():
            return Found(folder / self.place, "files")
        images = folder / self.images
        if self.images and all((images / split).is_dir() for split in ("train", "test")):
            return Found(images, "folders")
        return None

    def download(self, folder: Path, most: int) -> None:
        with locked(folder / self.place):
            if self.locate(folder):
                return
            archive = folder / self.torchvision_class.filename
            ours = not archive.exists()
            official = self.torchvision_class
            download(Remote((official.url,), f"md5:{official.tgz_md5}", most=most), archive)
            self._unpack(archive, folder)
            if ours:
                archive.unlink()

    def _unpack(self, archive: Path, folder: Path) -> None:
        """Unpack next to the final place, then move: what is in the final place is complete."""
        beside = folder / f".{self.place}.unpacking"
        shutil.rmtree(beside, ignore_errors=True)  # left by a killed process
        try:
            with full_disk_named(folder), tarfile.open(archive) as tar:
                tar.extractall(beside, filter="data")
                os.replace(beside / self.place, folder / self.place)
        except UNPACK_ERRORS as error:
            raise DownloadFailed(f"unpacking {archive} into {folder} failed: {error}.") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class IdxSource(ImageSource):
    """Four files in the format of MNIST, each packed with gzip, or the same files unpacked."""

    files: tuple[str, ...] = _IDX_FILES
    #: the archives' names
    archives: tuple[str, ...] = tuple(f"{name}.gz" for name in _IDX_FILES)

    def locate(self, folder: Path) -> Found | None:
        place = folder / self.place
        for layout, names in (("archives", self.archives), ("files", self.files)):
            if all((place / name).is_file() for name in names):
                return Found(place, layout)
        return None

    def download(self, folder: Path, most: int) -> None:
        for name, md5 in self.torchvision_class.resources:
            if not (folder / self.place / name).is_file():
                urls = tuple(mirror + name for mirror in self.torchvision_class.mirrors)
                download(Remote(urls, f"md5:{md5}", most=most), folder / self.place / name)

    def official(self, place: Path) -> bool:
        """Whether the archives have the MD5 sums that torchvision expects."""
        return all(_has_md5(place / name, md5) for name, md5 in self.torchvision_class.resources)

    def unpack(self, place: Path, to: Path) -> None:
        """Unpack the archives of one folder into another."""
        for name in self.files:
            with gzip.open(place / f"{name}.gz") as packed, (to / name).open("wb") as file:
                shutil.copyfileobj(packed, file)


@dataclass(frozen=True, kw_only=True)
class ZippedIdxSource(IdxSource):
    """The same, but the packed files are in one ZIP archive, under `gzip/`."""

    def download(self, folder: Path, most: int) -> None:
        (name,) = self.archives
        official = self.torchvision_class
        remote = Remote((official.url,), f"md5:{official.md5}", most=most)
        download(remote, folder / self.place / name)

    def official(self, place: Path) -> bool:
        return _has_md5(place / self.archives[0], self.torchvision_class.md5)

    def unpack(self, place: Path, to: Path) -> None:
        with zipfile.ZipFile(place / self.archives[0]) as archive:
            for name in self.files:
                with (
                    archive.open(f"gzip/{name}.gz") as member,
                    gzip.open(member) as packed,
                    (to / name).open("wb") as file,
                ):
                    shutil.copyfileobj(packed, file)


def _has_md5(path: Path, md5: str) -> bool:
    return checksum_of(path, "md5:") == f"md5:{md5}"
