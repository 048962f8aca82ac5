"""scikit-learn's 8 x 8 images of handwritten digits: once as a small problem, once as a stream.

Source of the images: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits" (UCI);
1,797 of them ship with scikit-learn. The stream follows Dohare et al. 2024, "Loss of plasticity in
deep continual learning" (online permuted MNIST).

Contrast: digits: adamw over lion
Contrast: permuted_digits: sgd over adamw
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Problem, Split, score, task
from suite.roles import mark_head
from suite.streams import TaskStream
from suite.tasks import Shuffled

PIXELS = 64
CLASSES = 10


def read_digits() -> tuple[Split, str]:
    """Images (1797, 64) of mean 0 and variance 1 with their labels; a hash of the raw values."""
    from sklearn.datasets import load_digits  # takes a second, and lists of tasks do without

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


class Digits(Problem):
    """Learn from few images: `train` of them train, `validation` tune, the rest test."""

    def __init__(self, train: int, validation: int, width: int, depth: int) -> None:
        self.train = train
        self.validation = validation
        self.width = width
        self.depth = depth
        self.classes = CLASSES

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        order = torch.randperm(len(digits), generator=generator)
        parts = order.tensor_split((self.train, self.train + self.validation))
        train, validation, test = (Split(digits.inputs[i], digits.targets[i]) for i in parts)
        return Data(train, validation, test, fingerprint, source="scikit-learn")

    def model(self) -> nn.Module:
        return perceptron(self.width, self.depth)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)


class PermutedDigits(Problem):
    """A stream of tasks: all images in a new order, with their pixels in a new permutation.

    Nothing but the images tells that a task begins. What counts is the accuracy on each batch
    before it is trained on, so a method must stay able to learn.
    """

    online = True

    def __init__(self, tasks: int, width: int, depth: int) -> None:
        self.tasks = tasks
        self.width = width
        self.depth = depth
        self.classes = CLASSES

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        return Data(digits, None, None, fingerprint, source="scikit-learn")

    def model(self) -> nn.Module:
        return perceptron(self.width, self.depth)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return TaskStream(self.tasks, partial(permuted_pixels, train, batch_size), generator)


def permuted_pixels(
    train: Split, batch_size: int, task: int, generator: torch.Generator
) -> Shuffled:
    """One task's batches: every image with its pixels in the same new order."""
    pixels = torch.randperm(train.inputs.shape[1], generator=generator).to(train.inputs.device)
    permuted = train.inputs.index_select(1, pixels)
    return Shuffled(Split(permuted, train.targets), batch_size, generator)


# The mean over the run and not the last loss: AdamW's default rate ends as low as tuned AdamW, but
# takes three times as long, and at the end seeds differ more than methods.
task(
    "digits",
    Digits(train=500, validation=500, width=128, depth=2),
    version=1,
    track="mini",
    summary="Handwritten digits, 8 x 8 pixels, from 500 examples: mean test loss over training.",
    source="scikit-learn's load_digits (Alpaydin and Kaynak 1998)",
    batch_size=250,
    budget=250 * 200,
    evaluations=40,
    score=score.mean("loss", higher_is_better=False, worst=math.log(CLASSES)),
    target=0.15,
)

# One task is a pass over the images: 1797 // 32 = 56 batches.
task(
    "permuted_digits",
    PermutedDigits(tasks=80, width=64, depth=4),
    version=2,
    track="mini",
    summary="Plasticity: digits whose pixels are permuted anew 80 times; online accuracy.",
    source="Dohare et al. 2024, online permuted MNIST; scaled down to seconds on one core",
    batch_size=32,
    budget=80 * 56 * 32,
    evaluations=40,
    score=score.mean("accuracy", higher_is_better=True, worst=1 / CLASSES),
    target=0.7,
)
