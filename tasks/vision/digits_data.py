"""scikit-learn's 8 x 8 images of handwritten digits, and the network of most tasks on them.

Source of the images: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits" (UCI);
1,797 of them are part of scikit-learn.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise

import torch
from torch import nn

from suite import Split, mark_head

PIXELS = 64


CLASSES = 10


def read_digits() -> tuple[Split, str]:
    """Images (1797, 64) of mean 0 and variance 1 with their labels; a hash of the raw values."""
    from sklearn.datasets import load_digits  # takes a second; lists of tasks do not need it

    raw = load_digits()
    digest = hashlib.sha256(raw.data.astype("uint8").tobytes())
    digest.update(raw.target.astype("uint8").tobytes())
    images = (raw.data - raw.data.mean()) / raw.data.std()
    labels = torch.from_numpy(raw.target).long()
    return Split(torch.from_numpy(images).float(), labels), digest.hexdigest()[:16]


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
