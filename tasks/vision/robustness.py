"""Delayed robustness: long after a network fits and generalizes, it becomes robust, too.

Humayun, Balestriero and Baraniuk 2024, "Deep Networks Always Grok and Here Is Why": trained far
past interpolation, networks without batch normalization become robust against adversarial
examples, which they never saw. Measured are the accuracy, that under an attack of one step and that
under projected gradient descent; the score is the latter's mean over training, which rewards
robustness that comes early and stays. Not copied: an attack whose steps, added up, are shorter
than its radius (10 of 4 / 255 for 50 / 255 in the authors' code) and a radius in units of
normalized inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Point, Problem, Shuffled, Split, score, split_once, task

from .attacks import robust_metrics, robustness_delay
from .digits_data import CLASSES, perceptron, read_digits
from .images import ImageProblem, normalize
from .networks import resnet


class RobustDigits(Problem):
    """Digits and a perceptron; `radius` is a share of the range of pixel values."""

    def __init__(
        self, train: int, validation: int, radius: float, steps: int, width: int, depth: int
    ) -> None:
        self.train = train
        self.validation = validation
        self.radius = radius
        self.steps = steps
        self.width = width
        self.depth = depth
        self.classes = CLASSES

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        sizes = {"train": self.train, "validation": self.validation}
        splits = split_once(digits, fingerprint, generator, **sizes)
        return Data(*splits, fingerprint, source="scikit-learn")

    def model(self) -> nn.Module:
        return perceptron(self.width, self.depth)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        # Every split holds both empty and full pixels.
        limits = (float(split.inputs.min()), float(split.inputs.max()))
        radius = self.radius * (limits[1] - limits[0])
        return robust_metrics(model, split, radius=radius, steps=self.steps, limits=limits)

    def summarize(self, history: Sequence[Point]) -> dict[str, float]:
        return robustness_delay(history)


class RobustCifar(ImageProblem):
    """CIFAR without augmentation; a narrow ResNet-18 without normalization.

    `radius` is in [0, 255]. The first `attacked` images of a split are measured.
    """

    margin = 0

    def __init__(
        self,
        dataset: str,
        train: int,
        validation: int,
        test: int,
        *,
        attacked: int,
        radius: float,
        steps: int,
    ) -> None:
        super().__init__(dataset, train, validation, test)
        self.attacked = attacked
        self.radius = radius
        self.steps = steps

    def model(self) -> nn.Module:
        return resnet(self.classes, width=16, blocks=(2, 2, 2, 2), normalized=False)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        images, labels = split.inputs[: self.attacked].float(), split.targets[: self.attacked]
        return robust_metrics(
            lambda pixels: model(normalize(pixels, self.dataset)),
            Split(images, labels),
            radius=self.radius,
            steps=self.steps,
            limits=(0.0, 255.0),
        )

    def summarize(self, history: Sequence[Point]) -> dict[str, float]:
        return robustness_delay(history)


task(
    "delayed_robustness_mini",
    RobustDigits(train=900, validation=400, radius=0.1, steps=5, width=200, depth=3),
    version=2,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Digits, trained far past interpolation: mean accuracy under attack.",
    source="Humayun et al. 2024 (MLP of width 200, batch 200, on 1,000 MNIST images); digits",
    batch_size=100,
    budget=100 * 800,
    evaluations=16,
    score=score.mean("robust_accuracy", higher_is_better=True, worst=0.0),
    target=0.7,
)

task(
    "delayed_robustness",
    RobustCifar("cifar10", 45_000, 5_000, 10_000, attacked=1000, radius=8.0, steps=10),
    version=2,
    track="full",
    summary="CIFAR-10 far past interpolation, no batch norm: mean accuracy under attack.",
    source="Humayun et al. 2024: ResNet-18 of width 16 without normalization, batch 256, no "
    "augmentation, 10 attack steps; 100,000 steps instead of 500,000, radius 8/255",
    batch_size=256,
    budget=256 * 100_000,
    evaluations=50,
    score=score.mean("robust_accuracy", higher_is_better=True, worst=0.0),
    target=0.1,
    time_limit=12 * 3600.0,
)
