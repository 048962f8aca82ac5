"""Learning from wrong labels: 40 % of them, distributed evenly over the other classes.

Zhang et al. 2017, "Understanding Deep Learning Requires Rethinking Generalization": networks can
memorize any labels; Arpit et al. 2017, "A Closer Look at Memorization in Deep Networks": they
learn the true pattern first. Methods differ in whether the true pattern survives the
memorization. The column "memorized" is the share of wrong training labels that the network
reproduces.

Test labels are true. Validation labels are as noisy as the training labels: where labels are noisy
there are no clean ones to tune on. That favours no method: with a share q wrong out of K classes, a
network of accuracy a has the noisy accuracy (1 - q) a + q (1 - a) / (K - 1), which rises with a.
Two defects of common practice are not copied: tuning on clean labels or on the test set, and noise
that keeps a tenth of the "wrong" labels true.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Problem, Shuffled, Split, classification_metrics, score, split_once, task

from .digits_data import CLASSES, perceptron, read_digits
from .images import ImageProblem, normalize
from .labels import memorized, with_wrong_labels
from .networks import resnet


class NoisyDigits(Problem):
    """Digits, a share of whose training and validation labels is wrong."""

    def __init__(self, train: int, validation: int, noise: float, width: int, depth: int) -> None:
        self.train = train
        self.validation = validation
        self.noise = noise
        self.width = width
        self.depth = depth
        self.classes = CLASSES

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        sizes = {"train": self.train, "validation": self.validation}
        train, validation, test = split_once(digits, fingerprint, generator, **sizes)
        noisy = with_wrong_labels(train, validation, test, self.noise, CLASSES, generator)
        return Data(*noisy, fingerprint, source="scikit-learn")

    def model(self) -> nn.Module:
        return perceptron(self.width, self.depth)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return {**classification_metrics(model, split), **memorized(model, split)}


class NoisyCifar(ImageProblem):
    """CIFAR, a share of whose training and validation labels is wrong; a ResNet-18."""

    def __init__(self, dataset: str, train: int, validation: int, test: int, noise: float) -> None:
        super().__init__(dataset, train, validation, test)
        self.noise = noise

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        data = super().data(folder, generator)
        splits = (data.train, data.validation, data.test)
        noisy = with_wrong_labels(*splits, self.noise, self.classes, generator)
        return Data(*noisy, data.fingerprint, data.canonical, data.source)

    def model(self) -> nn.Module:
        return resnet(self.classes, width=64, blocks=(2, 2, 2, 2))

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        def scores(images: Tensor) -> Tensor:
            return model(normalize(images, self.dataset))

        return {**classification_metrics(scores, split, chunk=1000), **memorized(scores, split)}


task(
    "noisy_labels_mini",
    NoisyDigits(train=900, validation=400, noise=0.4, width=256, depth=2),
    version=2,
    track="mini",
    contrast=("muon", "sgd"),
    summary="Digits with 40 % wrong labels: test accuracy at the end of 36 epochs.",
    source="symmetric noise after Patrini et al. 2017; scikit-learn's digits",
    batch_size=100,
    budget=900 * 36,
    evaluations=18,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.8,
)

task(
    "noisy_labels",
    NoisyCifar("cifar10", train=45_000, validation=5_000, test=10_000, noise=0.4),
    version=2,
    track="full",
    summary="CIFAR-10 with 40 % wrong labels and a ResNet-18: test accuracy at the end.",
    source="Patrini et al. 2017 (symmetric noise); ResNet-18, batch 128, 50 epochs",
    batch_size=128,
    budget=50 * 45_000,
    evaluations=25,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.8,
    time_limit=6 * 3600.0,
)
