"""scikit-learn's 8 x 8 images of handwritten digits, and the network of most tasks on them.

Source of the images: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits" (UCI);
1,797 of them are part of scikit-learn.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from suite import MissingData, Split, mark_head

PIXELS = 64


CLASSES = 10


def read_digits() -> tuple[Split, str]:
    """Images (1797, 64) of mean 0 and variance 1 with their labels; a hash of the raw values."""
    pixels, labels = _raw_digits()
    digest = hashlib.sha256(pixels.astype("uint8").tobytes())
    digest.update(labels.astype("uint8").tobytes())
    images = torch.from_numpy((pixels - pixels.mean()) / pixels.std()).float()
    return Split(images, torch.from_numpy(labels).long()), digest.hexdigest()[:16]


def _raw_digits() -> tuple[np.ndarray, np.ndarray]:
    """What scikit-learn's `load_digits` returns: pixels and labels.

    Its file is read here: to import scikit-learn takes two seconds in every process.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise MissingData("the digits are a file of scikit-learn: install scikit-learn.")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            table = np.loadtxt(file, delimiter=",")
    except FileNotFoundError:
        raise MissingData(
            f"{path} is missing, which is a part of scikit-learn: install scikit-learn again."
        ) from None
    return table[:, :-1], table[:, -1].astype(int)


def perceptron(width: int, depth: int) -> nn.Sequential:
    """`depth` hidden ReLU layers between 64 pixels and 10 class scores; He initialization."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((PIXELS, *(width,) * depth)):
        layers += [_he_linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, mark_head(_he_linear(width, CLASSES)))


def _he_linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer
