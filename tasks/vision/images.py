"""Image classification on data sets of the catalog: splits, augmentation on the device, metrics."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from suite import Data, Problem, Shuffled, Split, classification_metrics, constant_generator
from suite.data import load_images


class Kind(NamedTuple):
    """A data set's classes, and each channel's mean and deviation in [0, 1]."""

    classes: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


KINDS = {
    "cifar10": Kind(10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": Kind(100, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "fashion_mnist": Kind(10, (0.2860,), (0.3530,)),
}


def normalize(images: Tensor, dataset: str) -> Tensor:
    """Pixels (N, C, H, W) in [0, 255] to about mean 0 and variance 1, channels last in memory."""
    kind = KINDS[dataset]
    mean = torch.tensor(kind.mean, device=images.device).view(-1, 1, 1)
    deviation = torch.tensor(kind.deviation, device=images.device).view(-1, 1, 1)
    scaled = images.float() * (1 / (255 * deviation))
    scaled -= mean / deviation
    return scaled.contiguous(memory_format=torch.channels_last)


def flip_and_crop(
    images: Tensor, generator: torch.Generator, dataset: str, margin: int, reflect: bool
) -> Tensor:
    """Mirror every second image, pad all by `margin`, cut out a random window; normalize.

    Padded is with the image's own reflection or with the data set's mean color, which is the zero
    padding of normalized images. Bytes (N, C, H, W) in, floats of the same shape out.
    """
    count, device = len(images), images.device
    mirrored = (torch.rand(count, generator=generator) < 0.5).nonzero().flatten().to(device)
    shifts = torch.randint(2 * margin + 1, (2, count), generator=generator).to(device)
    height, width = images.shape[2:]
    padded = _framed(images, margin, dataset)
    inside = padded[:, :, margin : margin + height, margin : margin + width]
    inside[mirrored] = images[mirrored].flip(3)
    if reflect:
        _reflect(padded, margin)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (N, C, rows, columns, H, W)
    chosen = windows[torch.arange(count, device=device), :, shifts[0], shifts[1]]
    return normalize(chosen, dataset)


def _framed(images: Tensor, margin: int, dataset: str) -> Tensor:
    """The images in a frame of the data set's mean color."""
    count, _, height, width = images.shape
    color = [round(255 * mean) for mean in KINDS[dataset].mean]
    frame = torch.tensor(color, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
    padded = frame.repeat(count, 1, height + 2 * margin, width + 2 * margin)
    padded[:, :, margin : margin + height, margin : margin + width] = images
    return padded


def _reflect(padded: Tensor, margin: int) -> None:
    """Fill the frame with the reflection of what is inside."""
    for dimension in (2, 3):
        end = padded.shape[dimension] - margin
        for place, inside in ((0, margin + 1), (end, end - margin - 1)):
            source = padded.narrow(dimension, inside, margin).flip(dimension)
            padded.narrow(dimension, place, margin).copy_(source)


def draw(split: Split, sizes: tuple[int, ...], generator: torch.Generator) -> list[Split]:
    """Disjoint parts of the given sizes, in random order."""
    order = torch.randperm(len(split), generator=generator)[: sum(sizes)]
    return [Split(split.inputs[part], split.targets[part]) for part in order.split(sizes)]


class ImageProblem(Problem):
    """Splits of the given sizes; train and validation come from the official training images.

    A subclass gives the model.
    """

    #: pixels by which images are padded before they are cropped; 0: no augmentation
    margin = 4
    #: padded with reflections instead of the mean color
    reflect = False

    def __init__(self, dataset: str, train: int, validation: int, test: int) -> None:
        self.dataset = dataset
        self.train = train
        self.validation = validation
        self.test = test
        self.classes = KINDS[dataset].classes

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        needed = self.train + self.validation
        images = load_images(self.dataset, folder, train=needed, test=self.test)
        train, validation = draw(images.train, (self.train, self.validation), generator)
        (test,) = draw(images.test, (self.test,), constant_generator(images.fingerprint))
        return Data(train, validation, test, images.fingerprint, images.canonical, images.source)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if self.margin:
            settings = {"dataset": self.dataset, "margin": self.margin, "reflect": self.reflect}
            change = partial(flip_and_crop, **settings)
        else:
            change = partial(_only_normalize, dataset=self.dataset)
        return Shuffled(train, batch_size, generator, augment=change)

    def accelerate(self, model: nn.Module, device: str) -> None:
        if device == "cuda":
            model.features.compile(dynamic=False)  # type: ignore[operator]

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return classification_metrics(
            lambda images: model(normalize(images, self.dataset)), split, chunk=1000
        )


def _only_normalize(images: Tensor, generator: torch.Generator, dataset: str) -> Tensor:
    return normalize(images, dataset)
