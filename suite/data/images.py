"""Images from the data folder: decoded once, the same tensors whatever the layout.

Official files are read by torchvision. CIFAR-10 is also read from image folders
(`cifar10/{train,test}/<class>/*.{png,jpg}`). The images of each split are sorted by class and
content, so that the same images in any layout give the same tensors and one fingerprint.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from suite.data import catalog
from suite.data.catalog import Check
from suite.data.image_sets import UNPACK_ERRORS, CifarSet, Found, IdxSet, ImageSet
from suite.data.locks import locked, write_atomically
from suite.data.split import Split
from suite.errors import DamagedData, UsageError
from suite.home import home

_CACHE_FORMAT = 2
_UNREADABLE = (
    *UNPACK_ERRORS,
    *(ValueError, TypeError, AssertionError, LookupError, pickle.UnpicklingError),
)


@dataclass(frozen=True)
class Images:
    """Images, uint8 of shape (N, C, H, W), and their labels, int64 of shape (N,).

    `fingerprint` is a SHA-256 over the tensors that are used. `canonical` says that the files
    have the MD5 sums that torchvision states for the official distribution, or that the images
    have the fingerprint of the official ones where the catalog knows it. Image folders never count
    as canonical, because nothing tells a lossless copy from a re-encoded one but the fingerprint,
    which a lossless copy shares with the official files.
    """

    train: Split
    test: Split
    fingerprint: str
    canonical: bool
    source: str


def load_images(name: str, folder: Path, *, train: int = 1, test: int = 1) -> Images:
    """A data set of images from a data folder, from the cache if it was decoded before.

    Never downloads. Raises MissingData if it is not there, if files are damaged, or if there are
    fewer than `train` training or `test` test images.
    """
    spec = _spec(name)
    found = _found(spec, folder)
    cached = _cached(spec, found)
    if not cached.is_file():
        with locked(cached):
            if not cached.is_file():
                values = _decode(spec, found, spec.help(folder))
                write_atomically(cached, lambda file: torch.save(values, file))
    # Mapped, not read: processes share the pages, and only what is used is loaded.
    values = torch.load(cached, mmap=True, weights_only=True)
    for split, needed in (("train", train), ("test", test)):
        count = len(values[f"{split}_labels"])
        if count < needed:
            raise DamagedData(
                f"{found.path} is incomplete: the task needs {needed:,} {split} images, and "
                f"{count:,} are there. {spec.help(folder)}"
            )
    check = _check(spec, values)
    return Images(
        train=Split(values["train_images"], values["train_labels"]),
        test=Split(values["test_images"], values["test_labels"]),
        fingerprint=check.fingerprint,
        canonical=check.canonical,
        source=check.source,
    )


def prepare_images(name: str, folder: Path) -> None:
    """Make `load_images` work: download what is missing, decode what is new.

    Safe when several processes start at once: one downloads, the others wait. Raises MissingData
    if the download fails, or if it is too large to be started without being asked for.
    """
    _spec(name).prepare(folder)


def load_cifar10(folder: Path, *, train: int = 1, test: int = 1) -> Images:
    """`load_images` for CIFAR-10."""
    return load_images("cifar10", folder, train=train, test=test)


def prepare_cifar10(folder: Path) -> None:
    """`prepare_images` for CIFAR-10."""
    prepare_images("cifar10", folder)


def check_images(name: str, folder: Path) -> Check:
    """Read the files anew, whatever is cached. Raises DamagedData or MissingData."""
    spec = _spec(name)
    return _check(spec, _decode(spec, _found(spec, folder), spec.help(folder)))


def cached_check(name: str, folder: Path) -> Check | None:
    """What an earlier reading of the same files found; None if there was none."""
    spec = _spec(name)
    cached = _cached(spec, _found(spec, folder))
    if not cached.is_file():
        return None
    return _check(spec, torch.load(cached, mmap=True, weights_only=True))


def _spec(name: str) -> ImageSet:
    spec = catalog.get(name)
    if not isinstance(spec, ImageSet):
        raise UsageError(f"the data set '{name}' does not consist of images.")
    return spec


def _found(spec: ImageSet, folder: Path) -> Found:
    found = spec.locate(folder)
    if found is None:
        raise spec.missing(folder)
    return found


def _cached(spec: ImageSet, found: Found) -> Path:
    return home() / "cache" / f"{spec.name}-{_listing_hash(found.path)}.pt"


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
            elif not entry.name.startswith("."):  # locks
                yield entry.path, entry.stat()


def _decode(spec: ImageSet, found: Found, advice: str) -> dict[str, Any]:
    """Tensors, fingerprint and origin, as they are cached."""
    values: dict[str, Any] = {}
    digest = hashlib.sha256()
    splits, official = _read(spec, found, advice)
    for split, (images, labels) in zip(("train", "test"), splits, strict=True):
        images, labels = _sorted(images, labels)
        for name, array in (("images", images), ("labels", labels)):
            digest.update(f"{split} {name} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        values[f"{split}_images"] = _channels_first(images)
        values[f"{split}_labels"] = torch.from_numpy(labels).long()
    values["fingerprint"] = digest.hexdigest()[:16]
    values["official"] = official
    values["layout"] = found.layout
    return values


def _check(spec: ImageSet, values: dict[str, Any]) -> Check:
    """What decoded images are."""
    canonical = values["official"] or values["fingerprint"] == spec.canonical
    kind = "official files" if canonical else "unverified files"
    if values["layout"] == "folders":
        kind = "image folders"
    return Check(values["fingerprint"], canonical, f"{spec.title}, {kind}")


_Arrays = tuple[np.ndarray, np.ndarray]


def _read(spec: ImageSet, found: Found, advice: str) -> tuple[list[_Arrays], bool]:
    """Images (N, H, W, C) and labels (N,) of both splits, and whether checksums vouch for them."""
    if found.layout == "folders":
        assert isinstance(spec, CifarSet)
        return [_read_folders(spec, found.path / split) for split in ("train", "test")], False
    try:
        if found.layout == "files":
            # torchvision checks the MD5 sums of CIFAR's files, but of no unpacked MNIST files.
            depth = len(Path(spec.place).parts)
            return _read_files(spec, found.path.parents[depth - 1]), isinstance(spec, CifarSet)
        assert isinstance(spec, IdxSet)
        cache = home() / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as unpacked:
            place = Path(unpacked) / spec.place
            place.mkdir(parents=True)
            spec.unpack(found.path, place)
            return _read_files(spec, Path(unpacked)), spec.official(found.path)
    except _UNREADABLE as error:
        raise DamagedData(
            f"{found.path} is damaged or incomplete ({error}). Delete it, so that it is downloaded "
            f"again. {advice}"
        ) from error


def _read_files(spec: ImageSet, root: Path) -> list[_Arrays]:
    """Files in torchvision's layout, read by torchvision."""
    arrays = []
    for train in (True, False):
        data = spec.source(str(root), train=train, download=False, **dict(spec.options))
        images = np.asarray(data.data)
        images = images[..., None] if images.ndim == 3 else images
        arrays.append((images, np.asarray(data.targets, dtype=np.uint8)))
    return arrays


def _read_folders(spec: CifarSet, split: Path) -> _Arrays:
    from PIL import Image

    images, labels = [], []
    for label, name in enumerate(spec.classes):
        folder = split / name
        paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
        if not paths:
            raise DamagedData(
                f"{spec.title}: no PNG or JPEG images in {folder}. Give the folder that holds it "
                f"with --data-dir or SUITE_DATA_DIR: {spec.layout}."
            )
        for path in paths:
            try:
                with Image.open(path) as image:
                    pixels = np.asarray(image.convert("RGB"))
            except (OSError, SyntaxError) as error:  # Pillow's two ways to refuse a broken file
                raise DamagedData(f"{path} cannot be read as an image: {error}") from error
            if pixels.shape != (32, 32, 3):
                height, width = pixels.shape[:2]
                raise DamagedData(f"{path} is {width} x {height} pixels, not 32 x 32.")
            images.append(pixels)
            labels.append(label)
    return np.stack(images), np.asarray(labels, dtype=np.uint8)


def _sorted(images: np.ndarray, labels: np.ndarray) -> _Arrays:
    """By label, then by content."""
    keys = [(int(label), image.tobytes()) for image, label in zip(images, labels, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return images[order], labels[order]


def _channels_first(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
