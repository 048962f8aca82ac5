"""The image data sets: what they are, which files they have, and fetching them.

Addresses and MD5 sums are those of torchvision's classes. A data folder holds torchvision's own
layout, so that data that is already there for torchvision is used as it is.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from suite.data.catalog import Check, Dataset
from suite.data.download import DownloadFailed, Remote, checksum_of, download
from suite.data.locks import locked

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
#: what unpacking raises when the archive is damaged or there is no space
UNPACK_ERRORS = (OSError, RuntimeError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error)
_IDX_FILES = tuple(
    f"{split}-{content}-ubyte"
    for split in ("train", "t10k")
    for content in ("images-idx3", "labels-idx1")
)


class Found(NamedTuple):
    """Where a data set lies: as `files` that torchvision reads, packed `archives`, or `folders`."""

    path: Path
    layout: str


@dataclass(frozen=True, kw_only=True)
class ImageSet(Dataset):
    """Images with labels, which torchvision reads."""

    #: torchvision's class
    reader: str
    #: arguments of torchvision's class, beside the folder and the split
    options: tuple[tuple[str, str], ...] = ()
    #: place of the files in a data folder
    place: str
    #: fingerprint of the canonical images, where it is known: other packagings then count, too
    canonical: str = ""

    @abstractmethod
    def locate(self, folder: Path) -> Found | None:
        """Where it lies in a data folder; the official files come first."""

    def is_there(self, folder: Path) -> bool:
        return self.locate(folder) is not None

    def fetch(self, folder: Path) -> None:
        if not self.is_there(folder):
            self.download(folder)
        from suite.data.images import load_images

        load_images(self.name, folder)

    @abstractmethod
    def download(self, folder: Path) -> None:
        """Bring the official files into the folder. Raises DownloadFailed."""

    def check(self, folder: Path) -> Check:
        from suite.data.images import check_images

        return check_images(self.name, folder)

    def seen(self, folder: Path) -> Check | None:
        from suite.data.images import cached_check

        return cached_check(self.name, folder)

    @property
    def source(self) -> Any:
        """torchvision's class."""
        from suite.data.vision import torchvision_module

        return getattr(torchvision_module("torchvision.datasets"), self.reader)


@dataclass(frozen=True, kw_only=True)
class CifarSet(ImageSet):
    """One tar archive of pickled arrays, or image folders `<name>/{train,test}/<class>/*`."""

    test_file: str
    #: classes in the order of their labels, where image folders are read
    classes: tuple[str, ...] = ()

    def locate(self, folder: Path) -> Found | None:
        if (folder / self.place / self.test_file).is_file():
            return Found(folder / self.place, "files")
        images = folder / self.name
        if self.classes and all((images / split).is_dir() for split in ("train", "test")):
            return Found(images, "folders")
        return None

    def download(self, folder: Path) -> None:
        with locked(folder / self.place):
            if self.is_there(folder):
                return
            archive = folder / self.source.filename
            ours = not archive.exists()
            download(Remote((self.source.url,), f"md5:{self.source.tgz_md5}"), archive)
            self._unpack(archive, folder)
            if ours:
                archive.unlink()

    def _unpack(self, archive: Path, folder: Path) -> None:
        """Unpack beside the place and move: what is in place is complete."""
        beside = folder / f".{self.place}.unpacking"
        shutil.rmtree(beside, ignore_errors=True)  # left by a process that was killed
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(beside, filter="data")
            os.replace(beside / self.place, folder / self.place)
        except UNPACK_ERRORS as error:
            raise DownloadFailed(f"unpacking {archive} into {folder} failed: {error}.") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class IdxSet(ImageSet):
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

    def download(self, folder: Path) -> None:
        for name, md5 in self.source.resources:
            if not (folder / self.place / name).is_file():
                urls = tuple(mirror + name for mirror in self.source.mirrors)
                download(Remote(urls, f"md5:{md5}"), folder / self.place / name)

    def official(self, place: Path) -> bool:
        """Whether the archives are, to the bit, those that torchvision expects."""
        return all(_has_md5(place / name, md5) for name, md5 in self.source.resources)

    def unpack(self, place: Path, to: Path) -> None:
        """Unpack the archives of one folder into another."""
        for name in self.files:
            with gzip.open(place / f"{name}.gz") as packed, (to / name).open("wb") as file:
                shutil.copyfileobj(packed, file)


@dataclass(frozen=True, kw_only=True)
class ZippedIdxSet(IdxSet):
    """The same, but the packed files are in one ZIP archive, under `gzip/`."""

    def download(self, folder: Path) -> None:
        (name,) = self.archives
        remote = Remote((self.source.url,), f"md5:{self.source.md5}")
        download(remote, folder / self.place / name)

    def official(self, place: Path) -> bool:
        return _has_md5(place / self.archives[0], self.source.md5)

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


_TORCHVISION = "(torchvision's layout)"
_CIFAR_HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
_CIFAR_LICENCE = "none stated; the authors ask to cite Krizhevsky 2009"

DATASETS: tuple[ImageSet, ...] = (
    CifarSet(
        name="cifar10",
        title="CIFAR-10",
        bytes=170_498_071,
        licence=_CIFAR_LICENCE,
        url=_CIFAR_HOME,
        reader="CIFAR10",
        place="cifar-10-batches-py",
        test_file="test_batch",
        classes=CIFAR10_CLASSES,
        layout=(
            f"either 'cifar-10-batches-py' {_TORCHVISION} or 'cifar10/train/<class>' and "
            "'cifar10/test/<class>' with PNG or JPEG images"
        ),
    ),
    CifarSet(
        name="cifar100",
        title="CIFAR-100",
        bytes=169_001_437,
        licence=_CIFAR_LICENCE,
        url=_CIFAR_HOME,
        reader="CIFAR100",
        place="cifar-100-python",
        test_file="test",
        layout=f"'cifar-100-python' {_TORCHVISION}",
    ),
    IdxSet(
        name="mnist",
        title="MNIST",
        bytes=11_594_722,
        licence="CC BY-SA 3.0",
        url="http://yann.lecun.com/exdb/mnist/",
        reader="MNIST",
        place="MNIST/raw",
        # Of files with the known MD5 sums (6bbc9ace... for the training images). torchvision states
        # sums only for the archives, and often only the unpacked files are there.
        canonical="b26a95d81e3ca4c4",
        layout=f"'MNIST/raw' {_TORCHVISION}",
    ),
    IdxSet(
        name="fashion_mnist",
        title="Fashion-MNIST",
        bytes=30_878_645,
        licence="MIT",
        url="https://github.com/zalandoresearch/fashion-mnist",
        reader="FashionMNIST",
        place="FashionMNIST/raw",
        # Also in Debian's package, whose archives differ from the official ones in their headers.
        canonical="294485a351ba3807",
        layout=f"'FashionMNIST/raw' {_TORCHVISION}",
    ),
    ZippedIdxSet(
        name="emnist_balanced",
        title="EMNIST balanced",
        bytes=561_753_746,
        licence="none stated; derived from NIST Special Database 19",
        url="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        reader="EMNIST",
        options=(("split", "balanced"),),
        place="EMNIST/raw",
        archives=("gzip.zip",),
        files=tuple(
            f"emnist-balanced-{split}-{content}-ubyte"
            for split in ("train", "test")
            for content in ("images-idx3", "labels-idx1")
        ),
        layout=f"'EMNIST/raw' {_TORCHVISION}",
    ),
)
