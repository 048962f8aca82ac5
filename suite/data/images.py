"""CIFAR-10 from the data folder: fetched once, decoded once, the same tensors whatever the layout.

Two layouts are read: torchvision's own (`cifar-10-batches-py`), and image folders
(`cifar10/{train,test}/<class>/*.{png,jpg}`). The images of each split are sorted by class and
content, so that the same images in either layout give the same tensors and one fingerprint.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from suite.errors import MissingData
from suite.home import home
from suite.tasks import Split

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_BATCHES = "cifar-10-batches-py"
_FOLDERS = {"train": "cifar10/train", "test": "cifar10/test"}
_CACHE_FORMAT = 1
_STALLED_SECONDS = 60.0
_HELP = (
    "Give the folder that holds it with --data-dir or SUITE_DATA_DIR: either "
    f"'{_BATCHES}' (torchvision's layout) or '{_FOLDERS['train']}/<class>' and "
    f"'{_FOLDERS['test']}/<class>' with PNG or JPEG images."
)


@dataclass(frozen=True)
class Cifar10:
    """Images, uint8 of shape (N, 3, 32, 32), and their labels, int64 of shape (N,).

    `fingerprint` is a SHA-256 over the tensors that are used. `canonical` says that the files
    passed torchvision's MD5 check of the official distribution. Image folders never count as
    canonical, because nothing tells a lossless copy from a re-encoded one but the fingerprint,
    which a lossless copy shares with the official files.
    """

    train: Split
    test: Split
    fingerprint: str
    canonical: bool
    source: str


def load_cifar10(folder: Path, *, train: int = 1, test: int = 1) -> Cifar10:
    """CIFAR-10 from a data folder, from the cache if it was decoded before; never downloads.

    Raises MissingData if neither layout is there, if files are damaged, or if there are fewer
    than `train` training or `test` test images.
    """
    found = _locate(folder)
    if found is None:
        raise MissingData(f"CIFAR-10 was not found in {folder}. {_HELP}")
    cached = home() / "cache" / f"cifar10-{_listing_hash(found)}.pt"
    if not cached.is_file():
        with _locked(cached):
            if not cached.is_file():
                _write_atomically(cached, _decode(found))
    # Mapped, not read: processes share the pages, and only what is used is loaded.
    values = torch.load(cached, mmap=True, weights_only=True)
    for split, needed in (("train", train), ("test", test)):
        count = len(values[f"{split}_labels"])
        if count < needed:
            raise MissingData(
                f"{found} is incomplete: the task needs {needed:,} {split} images, and {count:,} "
                f"are there. {_HELP}"
            )
    return Cifar10(
        train=Split(values["train_images"], values["train_labels"]),
        test=Split(values["test_images"], values["test_labels"]),
        fingerprint=values["fingerprint"],
        canonical=values["canonical"],
        source=values["source"],
    )


def prepare_cifar10(folder: Path) -> None:
    """Make `load_cifar10` work: download what is missing, decode what is new.

    Shows the download's progress. Safe when several processes start at once: one downloads, the
    others wait. Raises MissingData if the download fails.
    """
    if _locate(folder) is None:
        with _locked(folder / _BATCHES):
            if _locate(folder) is None:
                _download(folder)
    load_cifar10(folder)


def _locate(folder: Path) -> Path | None:
    """The folder of the first layout that is there; the official files come first."""
    batches = folder / _BATCHES
    if (batches / "test_batch").is_file() and not _marker(folder).exists():
        return batches
    if all((folder / images).is_dir() for images in _FOLDERS.values()):
        return (folder / _FOLDERS["train"]).parent
    return None


def _marker(folder: Path) -> Path:
    """Exists while a download is under way, and after one that was killed."""
    return folder / f".{_BATCHES}.downloading"


def _download(folder: Path) -> None:
    from suite.vision import torchvision_module

    source = torchvision_module("torchvision.datasets").CIFAR10
    stalled = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALLED_SECONDS)
    try:
        _marker(folder).touch()
        source(str(folder), train=True, download=True)
        _marker(folder).unlink()
    except (
        *(OSError, RuntimeError, EOFError, tarfile.TarError),
        *(zlib.error, http.client.HTTPException),
    ) as error:
        raise MissingData(
            f"CIFAR-10 was not found in {folder}, and downloading {source.url} into it failed: "
            f"{type(error).__name__}: {error}. {_HELP}"
        ) from error
    finally:
        socket.setdefaulttimeout(stalled)


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """One process at a time; the lock of a process that dies is free again."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.parent / f".{target.name}.lock")
        lock.acquire()
    except OSError as error:
        raise MissingData(f"cannot write to {target.parent}: {error}. {_HELP}") from error
    try:
        yield
    finally:
        lock.release()


def _listing_hash(found: Path) -> str:
    """A hash of every file's path, size and time of change: a new one is decoded anew."""
    digest = hashlib.sha256(f"{_CACHE_FORMAT} {found}".encode())
    for path, status in sorted(_files(found)):
        digest.update(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(Path(entry.path))
            else:
                yield entry.path, entry.stat()


def _decode(found: Path) -> dict[str, Any]:
    """Tensors, fingerprint and origin, as they are cached."""
    official = found.name == _BATCHES
    values: dict[str, Any] = {"canonical": official}
    values["source"] = "CIFAR-10, official files" if official else "CIFAR-10, image folders"
    digest = hashlib.sha256()
    for split in ("train", "test"):
        read = _read_batches if official else _read_folders
        images, labels = _sorted(*read(found, split))
        for name, array in (("images", images), ("labels", labels)):
            digest.update(f"{split} {name} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        values[f"{split}_images"] = _channels_first(images)
        values[f"{split}_labels"] = torch.from_numpy(labels).long()
    values["fingerprint"] = digest.hexdigest()[:16]
    return values


def _read_batches(found: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The official files; torchvision checks their MD5 sums."""
    from suite.vision import torchvision_module

    source = torchvision_module("torchvision.datasets").CIFAR10
    try:
        data = source(str(found.parent), train=split == "train", download=False)
    except (OSError, RuntimeError, EOFError) as error:
        raise MissingData(
            f"{found} is damaged or incomplete ({error}). Delete it, so that it is downloaded "
            f"again. {_HELP}"
        ) from error
    return data.data, np.asarray(data.targets, dtype=np.uint8)


def _read_folders(found: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image

    images, labels = [], []
    for label, name in enumerate(CIFAR10_CLASSES):
        folder = found / split / name
        paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
        if not paths:
            raise MissingData(f"CIFAR-10: no PNG or JPEG images in {folder}. {_HELP}")
        for path in paths:
            try:
                with Image.open(path) as image:
                    pixels = np.asarray(image.convert("RGB"))
            except (OSError, SyntaxError) as error:  # Pillow's two ways to refuse a broken file
                raise MissingData(f"{path} cannot be read as an image: {error}") from error
            if pixels.shape != (32, 32, 3):
                height, width = pixels.shape[:2]
                raise MissingData(f"{path} is {width} x {height} pixels, not 32 x 32.")
            images.append(pixels)
            labels.append(label)
    return np.stack(images), np.asarray(labels, dtype=np.uint8)


def _sorted(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By label, then by content."""
    keys = [(int(label), image.tobytes()) for image, label in zip(images, labels, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return images[order], labels[order]


def _channels_first(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _write_atomically(path: Path, values: dict[str, Any]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(values, file)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
