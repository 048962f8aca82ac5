"""CIFAR-10 with a compact batch-normalized network: whole for a GPU, in part for one CPU core.

Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images". The recipe (short
training, flips and small translations, max-pooled BatchNorm blocks) is that of Jordan 2024, "94% on
CIFAR-10 in 3.29 Seconds on a Single GPU", with a smaller network.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import (
    Data,
    Problem,
    Shuffled,
    Split,
    classification_metrics,
    constant_generator,
    mark_head,
    score,
    task,
)
from suite.data import CIFAR10_CLASSES, load_cifar10, prepare_cifar10

from .images import KINDS, draw

SIDE = 32
KIND = KINDS["cifar10"]


def normalize(images: Tensor) -> Tensor:
    """Bytes (N, 3, 32, 32) to floats of about mean 0 and variance 1, channels last in memory."""
    # Channels last is twice as fast on a CPU; three planes are stacked four times as fast as
    # permuted, and one pass over whole rows is four times as fast as subtracting three numbers.
    rows = torch.stack(images.unbind(1), dim=3).flatten(1).float()
    mean = torch.tensor(KIND.mean, device=images.device).repeat(SIDE * SIDE)
    deviation = torch.tensor(KIND.deviation, device=images.device).repeat(SIDE * SIDE)
    normalized = torch.addcmul(-mean / deviation, rows, 1 / (255 * deviation))
    return normalized.view(-1, SIDE, SIDE, 3).permute(0, 3, 1, 2)


def pack(images: Tensor) -> Tensor:
    """Bytes (N, 3, 32, 32) to one number per pixel, (N, 32, 32), which moves as a whole."""
    red, green, blue = images.unbind(1)
    # The fourth byte is never read: it makes a pixel as long as a number.
    return torch.stack((red, green, blue, blue), dim=3).view(torch.int32).squeeze(3)


def flip_and_shift(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror every second image, move each by up to 2 pixels, reflect at the edges; normalize.

    Packed pixels (N, 32, 32) in, floats (N, 3, 32, 32) out. All of it is one look-up by index, on
    the images' device.
    """
    count, device = len(pixels), pixels.device
    moves = _moves(device)
    drawn = torch.randint(len(moves), (count,), generator=generator).to(device)
    first = torch.arange(0, pixels.numel(), SIDE * SIDE, dtype=torch.int32, device=device)
    where = moves.index_select(0, drawn) + first.unsqueeze(1)
    # index_select copies memory: faster than indexing with brackets.
    moved = pixels.flatten().index_select(0, where.flatten()).view(count, SIDE, SIDE, 1)
    return normalize(moved.view(torch.uint8)[..., :3].permute(0, 3, 1, 2))


@cache
def _moves(device: torch.device) -> Tensor:
    """Which pixel, counted row by row, each pixel of a moved image shows: (50 moves, 1,024)."""
    line = torch.arange(SIDE)
    shifts = torch.arange(-2, 3).unsqueeze(1)
    rows = _reflect(line + shifts)
    columns = _reflect(torch.cat((line + shifts, line.flip(0) + shifts)))
    sources = rows.view(-1, 1, SIDE, 1) * SIDE + columns.view(1, -1, 1, SIDE)
    return sources.flatten(2).flatten(0, 1).int().to(device)


def _reflect(index: Tensor) -> Tensor:
    last = SIDE - 1
    return last - (last - index.abs()).abs()


class ConvNet(nn.Sequential):
    """A strided stem and one 3 x 3 convolution per block: 32 -> 16 -> 16 -> 8 -> 4 -> 1 pixels."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        stem, *_, last = widths
        layers = [nn.Conv2d(3, stem, 4, stride=2, padding=1, bias=False), *_activation(stem)]
        for block, (inputs, outputs) in enumerate(pairwise(widths)):
            if block > 0:
                layers.append(nn.MaxPool2d(2))
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            layers += [convolution, *_activation(outputs)]
        layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten(), mark_head(nn.Linear(last, classes))]
        super().__init__(*layers)


def _activation(width: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.ReLU()]


class Cifar10(Problem):
    """Splits of the given sizes; train and validation come from the official training images."""

    needs = "CIFAR-10 (170 MB, downloaded once)"

    def __init__(self, train: int, validation: int, test: int, widths: tuple[int, ...]) -> None:
        self.train = train
        self.validation = validation
        self.test = test
        self.widths = widths
        self.classes = len(CIFAR10_CLASSES)

    def prepare(self, folder: Path) -> None:
        prepare_cifar10(folder)

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        cifar = load_cifar10(folder, train=self.train + self.validation, test=self.test)
        train, validation = draw(cifar.train, (self.train, self.validation), generator)
        (test,) = draw(cifar.test, (self.test,), constant_generator(cifar.fingerprint))
        return Data(train, validation, test, cifar.fingerprint, cifar.canonical, cifar.source)

    def model(self) -> nn.Module:
        return ConvNet(self.widths, len(CIFAR10_CLASSES))

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        packed = Split(pack(train.inputs), train.targets)
        return Shuffled(packed, batch_size, generator, augment=flip_and_shift)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return classification_metrics(lambda images: model(normalize(images)), split, chunk=1000)


task(
    "cifar10",
    Cifar10(train=45_000, validation=5_000, test=10_000, widths=(32, 48, 96, 128)),
    version=2,
    track="full",
    core=True,
    contrast=("muon", "adamw"),
    summary="CIFAR-10 in 3 epochs with a compact convolutional network: test accuracy.",
    source="Krizhevsky 2009; recipe after Jordan 2024 (airbench), smaller network",
    batch_size=256,
    budget=3 * 45_000,
    evaluations=6,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.65,
    time_limit=3600.0,
)

task(
    "cifar10_mini",
    Cifar10(train=5_000, validation=1_000, test=2_000, widths=(16, 32, 64, 64)),
    version=2,
    track="full",  # small, but the mini track needs no download
    core=True,
    contrast=("adamw", "mezo"),
    summary="5,000 CIFAR-10 images, 20 epochs, a small convolutional network: test accuracy.",
    source="Krizhevsky 2009; a subset that one core learns in about a minute",
    batch_size=128,
    budget=20 * 5_000,
    evaluations=10,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.6,
)
