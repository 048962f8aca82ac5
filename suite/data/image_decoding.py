"""Image files to tensors, which do not depend on the layout of the files.

Official files are read by torchvision. CIFAR-10 is also read from image folders
(`cifar10/{train,test}/<class>/*.{png,jpg}`). The images of each split are sorted by class and
content, so that the same images in any layout give the same tensors and one fingerprint.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from suite.data.image_sources import UNPACK_ERRORS, CifarSource, Found, IdxSource, ImageSource
from suite.data.space import full_disk_named
from suite.errors import DamagedData

_UNREADABLE = (
    *UNPACK_ERRORS,
    *(ValueError, TypeError, AssertionError, LookupError, pickle.UnpicklingError),
)


def decode(source: ImageSource, found: Found, scratch: Path, advice: str) -> dict[str, Any]:
    """Tensors, fingerprint and origin, as they are cached.

    Archives are unpacked in a folder below `scratch`, which is removed afterwards. Raises
    DamagedData, whose text ends with the advice, or NoSpace if the disk is full.
    """
    values: dict[str, Any] = {}
    digest = hashlib.sha256()
    splits, official = _read(source, found, scratch, advice)
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


_Arrays = tuple[np.ndarray, np.ndarray]


def _read(
    source: ImageSource, found: Found, scratch: Path, advice: str
) -> tuple[list[_Arrays], bool]:
    """Images (N, H, W, C) and labels (N,) of both splits, and whether checksums were verified."""
    if found.layout == "folders":
        assert isinstance(source, CifarSource)
        splits = (found.path / split for split in ("train", "test"))
        return [_read_folders(source.classes, split, advice) for split in splits], False
    try:
        if found.layout == "files":
            # torchvision checks the MD5 sums of CIFAR's files, but not of unpacked MNIST files.
            depth = len(Path(source.place).parts)
            checked = isinstance(source, CifarSource)
            return _read_files(source, found.path.parents[depth - 1]), checked
        assert isinstance(source, IdxSource)
        with full_disk_named(scratch):
            return _read_archives(source, found.path, scratch), source.official(found.path)
    except _UNREADABLE as error:
        raise DamagedData(
            f"{found.path} is damaged or incomplete ({error}). Delete it, so that it is downloaded "
            f"again. {advice}"
        ) from error


def _read_archives(source: IdxSource, archives: Path, scratch: Path) -> list[_Arrays]:
    """Unpacked archives, in another folder: torchvision would unpack them in the data folder."""
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as unpacked:
        place = Path(unpacked) / source.place
        place.mkdir(parents=True)
        source.unpack(archives, place)
        return _read_files(source, Path(unpacked))


def _read_files(source: ImageSource, root: Path) -> list[_Arrays]:
    """Files in torchvision's layout, read by torchvision."""
    arrays = []
    for train in (True, False):
        data = source.torchvision_class(
            str(root), train=train, download=False, **dict(source.options)
        )
        images = np.asarray(data.data)
        images = images[..., None] if images.ndim == 3 else images
        arrays.append((images, np.asarray(data.targets, dtype=np.uint8)))
    return arrays


def _read_folders(classes: tuple[str, ...], split: Path, advice: str) -> _Arrays:
    from PIL import Image

    images, labels = [], []
    for label, name in enumerate(classes):
        folder = split / name
        paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
        if not paths:
            raise DamagedData(f"no PNG or JPEG images in {folder}. {advice}")
        for path in paths:
            try:
                with Image.open(path) as image:
                    pixels = np.asarray(image.convert("RGB"))
            except (OSError, SyntaxError) as error:  # what Pillow raises for a broken file
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
