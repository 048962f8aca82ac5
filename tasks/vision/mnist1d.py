"""MNIST-1D: generated one-dimensional signals in ten classes, for a small convolutional network.

Greydanus and Kobak 2024, "Scaling Down Deep Learning with MNIST-1D" (2020: Greydanus, "Scaling
down deep learning"). Ten hand-drawn profiles of 12 samples are padded, stretched, scaled, moved,
buried in noise, sheared and reduced to 40 samples. A linear model reaches about 32 %, an MLP 68 %
and a convolutional network 94 % there: the inductive bias that separates models on images is kept
at a small part of the cost. The constants are those of the published generator. Not copied: it
draws one set of 5,000 signals from the seed 42 and splits that; here each run draws its own, and
validation and test signals are fresh draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Problem, Shuffled, Split, fingerprint_of, mark_head, score, task

CLASSES = 10
LENGTH = 40
#: the profiles of the digits 0 to 9, as drawn by the authors
PROFILES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
PADDING = (36, 60)
SCALE = 0.4
TRANSLATION = 48
CORRELATED_NOISE = 0.25
CORRELATION = 2.0
INDEPENDENT_NOISE = 0.02
SHEAR = 0.75


def profiles() -> Tensor:
    """The ten profiles (10, 12): of variance 1 / 36, and starting at 0."""
    drawn = torch.tensor(PROFILES)
    whitened = (drawn - drawn.mean(1, keepdim=True)) / drawn.std(1, correction=0, keepdim=True)
    return (whitened - whitened[:, :1]) / 6


def signals(labels: Tensor, generator: torch.Generator) -> Tensor:
    """One random signal per label: (N,) class ids to floats (N, 40)."""
    count, samples = len(labels), len(PROFILES[0])

    def uniform() -> Tensor:
        return torch.rand(count, 1, generator=generator)

    padding = torch.randint(PADDING[0], PADDING[1] + 1, (count, 1), generator=generator)
    padded = nn.functional.pad(profiles()[labels], (0, PADDING[1]))
    length = samples + PADDING[1]
    stretched = _read(padded, torch.linspace(0, 1, length) * (samples + padding - 1))
    # Interpolated, the profile ends just before the first sample of padding.
    inside = torch.linspace(0, 1, length) * (samples + padding - 1) < samples
    scaled = stretched * (1 + SCALE * (uniform() - 0.5))
    moved = torch.randint(TRANSLATION, (count, 1), generator=generator)
    source = (torch.arange(length) - moved) % length
    scaled, inside = scaled.gather(1, source), inside.gather(1, source)
    noise = CORRELATED_NOISE * torch.randn(count, length, generator=generator)
    noisy = torch.where(inside, scaled, noise @ _smoothing(length))
    noisy = noisy + INDEPENDENT_NOISE * torch.randn(count, length, generator=generator)
    sheared = noisy - SHEAR * (uniform() - 0.5) * torch.linspace(-0.5, 0.5, length)
    return _read(sheared, torch.linspace(0, length - 1, LENGTH).expand(count, LENGTH))


def _read(rows: Tensor, positions: Tensor) -> Tensor:
    """Rows (N, L) at fractional positions (N, M), interpolated linearly."""
    left = positions.long().clamp(max=rows.shape[1] - 2)
    share = positions - left
    return rows.gather(1, left) * (1 - share) + rows.gather(1, left + 1) * share


def _smoothing(length: int) -> Tensor:
    """The matrix (L, L) by which rows are smoothed with a Gaussian, mirrored at the ends."""
    radius = int(4 * CORRELATION + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets / CORRELATION) ** 2)
    kernel /= kernel.sum()
    where = (torch.arange(length)[:, None] + offsets) % (2 * length)
    where = torch.minimum(where, 2 * length - 1 - where)
    matrix = torch.zeros(length, length).scatter_add_(1, where, kernel.expand(length, -1))
    return matrix.T


def draw(count: int, generator: torch.Generator) -> Split:
    """Signals of balanced classes, in random order."""
    labels = (torch.arange(count) % CLASSES)[torch.randperm(count, generator=generator)]
    return Split(signals(labels, generator), labels)


def generate(sizes: tuple[int, int, int], generator: torch.Generator) -> Data:
    """Training, validation and test signals (N, 40), of mean 0 and variance 1 in training."""
    train, validation, test = (draw(size, generator) for size in sizes)
    mean, deviation = train.inputs.mean(), train.inputs.std()
    for split in (train, validation, test):
        split.inputs = (split.inputs - mean) / deviation
    text = repr((PROFILES, PADDING, SCALE, TRANSLATION, SHEAR, LENGTH))
    text += repr((CORRELATED_NOISE, CORRELATION, INDEPENDENT_NOISE))
    fingerprint = fingerprint_of(text)
    return Data(train, validation, test, fingerprint)


class SignalConvNet(nn.Module):
    """Three strided convolutions and a linear layer: signals (N, 40) to scores (N, 10).

    The published network: 25 channels, 40 -> 19 -> 10 -> 5 samples.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv1d(1, channels, 5, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv1d(channels, channels, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv1d(channels, channels, 3, stride=2, padding=1), nn.ReLU()),
        )
        self.head = mark_head(nn.Linear(channels * 5, CLASSES))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.features(inputs.unsqueeze(1)).flatten(1))


class Mnist1d(Problem):
    """4,000 training signals as published; validation and test signals are fresh draws."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.classes = CLASSES

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        return generate((4000, 1000, 2000), generator)

    def model(self) -> nn.Module:
        return SignalConvNet(self.channels)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)


task(
    "mnist1d",
    Mnist1d(channels=25),
    version=2,
    track="mini",
    contrast=("adamw", "mezo"),
    summary="MNIST-1D: ten classes of noisy signals, a small convolutional network; test loss.",
    source="Greydanus and Kobak 2024; network and data as published, 13 epochs instead of 150",
    batch_size=100,
    budget=100 * 500,
    evaluations=10,
    score=score.mean("loss", higher_is_better=False, worst=8.0),
    target=0.4,
)
