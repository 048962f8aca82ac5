"""Double descent: test error against width has a peak where the training data is just fitted.

Belkin et al. 2019, "Reconciling Modern Machine-Learning Practice and the Classical Bias-Variance
Trade-Off"; Nakkiran et al. 2020, "Deep Double Descent". Liu and Flanigan 2023, "Understanding the
Role of Optimization in Double Descent", find the peak only where the optimizer reaches a low
training loss, so it shows which of the many fitting solutions a method finds. Labels are partly
wrong, which makes the peak high; held-out labels are right.

One model holds networks of all widths, trained side by side. The score is the mean test error over
the widths, and not the peak's height, which a method that learns nothing keeps at zero; height,
highest error and the error at every width are further metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Problem, Shuffled, Split, mark_head, score, split_once, task

from .digits_data import CLASSES, PIXELS, perceptron, read_digits
from .images import ImageProblem, normalize
from .labels import flip_labels
from .networks import five_layers
from .sweep import (
    SideBySide,
    errors_by_width,
    squares_by_width,
    summed_cross_entropy,
    summed_squares,
)


class WidthSweep(Problem):
    """Digits with some wrong training labels, and a perceptron of one hidden layer per width."""

    criterion = staticmethod(summed_cross_entropy)

    def __init__(self, widths: tuple[int, ...], train: int, validation: int, noise: float) -> None:
        self.widths = widths
        self.train = train
        self.validation = validation
        self.noise = noise
        self.classes = CLASSES

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        sizes = {"train": self.train, "validation": self.validation}
        train, validation, test = split_once(digits, fingerprint, generator, **sizes)
        train.targets, _ = flip_labels(train.targets, self.noise, CLASSES, generator)
        return Data(train, validation, test, fingerprint, source="scikit-learn")

    def model(self) -> nn.Module:
        return SideBySide(perceptron(width, depth=1) for width in self.widths)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return errors_by_width(model, split, self.widths)


class RandomFeatures(nn.Module):
    """Fixed random ReLU features and a linear readout: (N, 64) to (N, classes)."""

    features: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        # Of size 1 / sqrt(width), so that the outputs' kernel does not depend on the width.
        self.register_buffer("features", torch.randn(PIXELS, width) * (2 / PIXELS / width) ** 0.5)
        self.head = mark_head(nn.Linear(width, CLASSES, bias=False))
        nn.init.zeros_(self.head.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head((inputs @ self.features).relu())


class RandomFeatureSweep(WidthSweep):
    """The same with random features and the squared loss: the peak is where width = examples."""

    criterion = staticmethod(summed_squares)

    def model(self) -> nn.Module:
        return SideBySide(RandomFeatures(width) for width in self.widths)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return squares_by_width(model, split, self.widths)


class CifarWidthSweep(ImageProblem):
    """CIFAR with some wrong training labels, and a network of five layers per width."""

    criterion = staticmethod(summed_cross_entropy)
    margin = 0

    def __init__(
        self,
        dataset: str,
        train: int,
        validation: int,
        test: int,
        *,
        noise: float,
        widths: tuple[int, ...],
    ) -> None:
        super().__init__(dataset, train, validation, test)
        self.noise = noise
        self.widths = widths

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        data = super().data(folder, generator)
        labels, _ = flip_labels(data.train.targets, self.noise, self.classes, generator)
        data.train = Split(data.train.inputs, labels)
        return data

    def model(self) -> nn.Module:
        return SideBySide(five_layers(self.classes, width) for width in self.widths)

    def accelerate(self, model: nn.Module, device: str) -> None:
        for member in model.members:
            super().accelerate(member, device)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        def scores(images: Tensor) -> Tensor:
            return model(normalize(images, self.dataset))

        return errors_by_width(scores, split, self.widths)


task(
    "double_descent_mini",
    WidthSweep(widths=(4, 8, 12, 16, 24, 32, 64, 128), train=400, validation=400, noise=0.2),
    version=2,
    track="mini",
    contrast=("adamw", "mezo"),
    summary="Double descent: digits with wrong labels at eight widths; mean test error.",
    source="Nakkiran et al. 2020 and Belkin et al. 2019, scaled down to scikit-learn's digits",
    batch_size=100,
    budget=100 * 800,
    evaluations=10,
    score=score.final("mean_error", higher_is_better=False, worst=1.0),
    target=0.25,
)

task(
    "double_descent_rf",
    RandomFeatureSweep(
        widths=(10, 25, 50, 75, 100, 150, 250, 500, 1000), train=100, validation=600, noise=0.1
    ),
    version=2,
    track="mini",
    contrast=("adamw", "mezo"),
    summary="Double descent of random features at nine widths, wrong labels; mean test loss.",
    source="Belkin et al. 2019, random ReLU features; Liu and Flanigan 2023; scikit-learn's digits",
    batch_size=100,
    budget=100 * 500,
    evaluations=10,
    score=score.final("mean_loss", higher_is_better=False, worst=4.0),
    target=0.5,
)

task(
    "double_descent",
    CifarWidthSweep(
        "cifar10", 45_000, 5_000, 10_000, noise=0.2, widths=(1, 2, 4, 6, 8, 12, 16, 24, 32, 64)
    ),
    version=2,
    track="full",
    summary="Double descent: CIFAR-10 with 20 % wrong labels at ten widths; mean test error.",
    source="Nakkiran et al. 2020: five-layer networks, batch 128, no augmentation; 100 epochs",
    batch_size=128,
    budget=100 * 45_000,
    evaluations=25,
    score=score.final("mean_error", higher_is_better=False, worst=1.0),
    target=0.4,
    time_limit=12 * 3600.0,
)
