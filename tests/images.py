"""Tiny stand-ins for CIFAR-10, in both layouts that are read."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from suite.data import CIFAR10_CLASSES


def pictures(split: str, per_class: int) -> tuple[np.ndarray, list[int]]:
    """Distinct random pictures (N, 32, 32, 3) and labels, class by class."""
    random = np.random.default_rng(["train", "test"].index(split))
    images = random.integers(0, 256, (per_class * 10, 32, 32, 3), dtype=np.uint8)
    return images, [label for label in range(10) for _ in range(per_class)]


def write_image_folders(folder: Path, *, train: int, test: int) -> None:
    """`cifar10/{train,test}/<class>/<number>.png`, with that many images a class."""
    for split, per_class in (("train", train), ("test", test)):
        images, labels = pictures(split, per_class)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            place = folder / "cifar10" / split / CIFAR10_CLASSES[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{number:05}.png", compress_level=1)


def official_files(*, train: int, test: int) -> dict[str, bytes]:
    """The same images as files of the official distribution: name to content."""
    images, labels = pictures("train", train)
    # Spread over the five files in another order than the classes', as the real ones are.
    order = np.random.default_rng(7).permutation(len(images))
    files = {}
    for number, part in enumerate(np.array_split(order, 5), start=1):
        files[f"data_batch_{number}"] = _batch(images[part], [labels[i] for i in part])
    files["test_batch"] = _batch(*pictures("test", test))
    files["batches.meta"] = pickle.dumps({"label_names": list(CIFAR10_CLASSES)})
    return files


def archive(files: dict[str, bytes]) -> bytes:
    """`cifar-10-python.tar.gz` of such files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def expect(cifar10: Any, files: dict[str, bytes], packed: bytes, url: str) -> dict[str, Any]:
    """Attributes that make torchvision's class expect these files at this address."""

    def entry(name: str) -> list[str]:
        return [name, hashlib.md5(files[name]).hexdigest()]

    return {
        "url": url,
        "tgz_md5": hashlib.md5(packed).hexdigest(),
        "train_list": [entry(f"data_batch_{n}") for n in range(1, 6)],
        "test_list": [entry("test_batch")],
        "meta": {**cifar10.meta, "md5": entry("batches.meta")[1]},
    }


def _batch(images: np.ndarray, labels: list[int]) -> bytes:
    flat = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return pickle.dumps({"data": flat, "labels": labels})
