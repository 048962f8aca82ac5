"""The image data sets: their descriptions, and their images, decoded once and cached.

Importing this needs no torch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import atomic
from suite.data.dataset import Check, Dataset
from suite.data.image_sources import (
    CIFAR10_CLASSES,
    CifarSource,
    Found,
    IdxSource,
    ImageSource,
    ZippedIdxSource,
)
from suite.data.locks import locked
from suite.data.space import full_disk_named
from suite.errors import DamagedData
from suite.home import home

if TYPE_CHECKING:
    from suite.data.split import Split

#: part of the names of cached files: a new number decodes all data again
_CACHE_FORMAT = 2


@dataclass(frozen=True)
class Images:
    """Images, uint8 of shape (N, C, H, W), and their labels, int64 of shape (N,).

    `fingerprint` is a SHA-256 over the tensors that are used. `canonical` says that the files
    have the MD5 sums that torchvision states for the official distribution, or that the images
    have the fingerprint of the official ones where the catalog knows it. Image folders count as
    canonical only by that fingerprint: no checksum distinguishes a lossless copy from a re-encoded
    one.
    """

    train: Split
    test: Split
    fingerprint: str
    canonical: bool
    source: str


@dataclass(frozen=True, kw_only=True)
class ImageSet(Dataset):
    """Images with labels."""

    source: ImageSource
    #: fingerprint of the canonical images, if known: it makes other packagings canonical too
    canonical: str = ""

    def is_there(self, folder: Path) -> bool:
        return self.source.locate(folder) is not None

    def fetch(self, folder: Path) -> None:
        if not self.is_there(folder):
            self.source.download(folder, most=2 * self.bytes)
        self.load(folder)

    def check(self, folder: Path) -> Check:
        return self._describe(self._decode(self._find(folder), folder))

    def seen(self, folder: Path) -> Check | None:
        import torch

        cached = self._cache_file(self._find(folder))
        if not cached.is_file():
            return None
        return self._describe(torch.load(cached, mmap=True, weights_only=True))

    def load(self, folder: Path, *, train: int = 1, test: int = 1) -> Images:
        """The images, from the cache if they were decoded before.

        Raises MissingData if they are missing, DamagedData if files are damaged or if there are
        fewer than `train` training or `test` test images.
        """
        import torch

        from suite.data.split import Split

        found = self._find(folder)
        cached = self._cache_file(found)
        if not cached.is_file():
            with locked(cached):
                if not cached.is_file():
                    self._cache(self._decode(found, folder), cached)
        # Memory-mapped: processes share the pages, and only what is used is loaded.
        values = torch.load(cached, mmap=True, weights_only=True)
        for split, needed in (("train", train), ("test", test)):
            count = len(values[f"{split}_labels"])
            if count < needed:
                raise DamagedData(
                    f"{found.path} is incomplete: the task needs {needed:,} {split} images, and "
                    f"{count:,} are there. {self.help(folder)}"
                )
        check = self._describe(values)
        return Images(
            train=Split(values["train_images"], values["train_labels"]),
            test=Split(values["test_images"], values["test_labels"]),
            fingerprint=check.fingerprint,
            canonical=check.canonical,
            source=check.source,
        )

    def _find(self, folder: Path) -> Found:
        found = self.source.locate(folder)
        if found is None:
            raise self.missing(folder)
        return found

    def _cache_file(self, found: Found) -> Path:
        return home() / "cache" / f"{self.name}-{_listing_hash(found)}.pt"

    def _decode(self, found: Found, folder: Path) -> dict[str, Any]:
        from suite.data.image_decoding import decode

        return decode(self.source, found, home() / "cache", self.help(folder))

    def _cache(self, values: dict[str, Any], path: Path) -> None:
        import torch

        with full_disk_named(path.parent):
            atomic.write(path, lambda file: torch.save(values, file))

    def _describe(self, values: dict[str, Any]) -> Check:
        """The description of decoded images."""
        canonical = values["official"] or values["fingerprint"] == self.canonical
        kind = "official files" if canonical else "unverified files"
        if values["layout"] == "folders":
            kind = "image folders"
        return Check(values["fingerprint"], canonical, f"{self.title}, {kind}")


def _listing_hash(found: Found) -> str:
    """A hash of every file's path, size and time of change: changed files are decoded again."""
    digest = hashlib.sha256(f"{_CACHE_FORMAT} {found.path}".encode())
    for path, status in sorted(_files(found.path)):
        digest.update(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(Path(entry.path))
            elif not entry.name.startswith("."):  # locks
                yield entry.path, entry.stat()


_TORCHVISION = "(torchvision's layout)"
_CIFAR_HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
_CIFAR_LICENCE = "none stated; the authors ask to cite Krizhevsky 2009"

DATASETS: tuple[ImageSet, ...] = (
    ImageSet(
        name="cifar10",
        title="CIFAR-10",
        bytes=170_498_071,
        licence=_CIFAR_LICENCE,
        url=_CIFAR_HOME,
        layout=(
            f"either 'cifar-10-batches-py' {_TORCHVISION} or 'cifar10/train/<class>' and "
            "'cifar10/test/<class>' with PNG or JPEG images"
        ),
        source=CifarSource(
            reader="CIFAR10",
            place="cifar-10-batches-py",
            test_file="test_batch",
            images="cifar10",
            classes=CIFAR10_CLASSES,
        ),
    ),
    ImageSet(
        name="cifar100",
        title="CIFAR-100",
        bytes=169_001_437,
        licence=_CIFAR_LICENCE,
        url=_CIFAR_HOME,
        layout=f"'cifar-100-python' {_TORCHVISION}",
        source=CifarSource(reader="CIFAR100", place="cifar-100-python", test_file="test"),
    ),
    ImageSet(
        name="mnist",
        title="MNIST",
        bytes=11_594_722,
        licence="CC BY-SA 3.0",
        url="http://yann.lecun.com/exdb/mnist/",
        # Of files with the known MD5 sums (6bbc9ace... for the training images). torchvision states
        # sums only for the archives, and often there are only the unpacked files.
        canonical="b26a95d81e3ca4c4",
        layout=f"'MNIST/raw' {_TORCHVISION}",
        source=IdxSource(reader="MNIST", place="MNIST/raw"),
    ),
    ImageSet(
        name="fashion_mnist",
        title="Fashion-MNIST",
        bytes=30_878_645,
        licence="MIT",
        url="https://github.com/zalandoresearch/fashion-mnist",
        # Also in Debian's package, whose archives differ from the official ones in their headers.
        canonical="294485a351ba3807",
        layout=f"'FashionMNIST/raw' {_TORCHVISION}",
        source=IdxSource(reader="FashionMNIST", place="FashionMNIST/raw"),
    ),
    ImageSet(
        name="emnist_balanced",
        title="EMNIST balanced",
        bytes=561_753_746,
        licence="none stated; derived from NIST Special Database 19",
        url="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        layout=f"'EMNIST/raw' {_TORCHVISION}",
        source=ZippedIdxSource(
            reader="EMNIST",
            options=(("split", "balanced"),),
            place="EMNIST/raw",
            archives=("gzip.zip",),
            files=tuple(
                f"emnist-balanced-{split}-{content}-ubyte"
                for split in ("train", "test")
                for content in ("images-idx3", "labels-idx1")
            ),
        ),
    ),
)
