"""Long-tailed classes: the largest has a hundred times as many examples as the smallest.

Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples": class sizes fall
exponentially, n_k = n_max IF^(-k / (K - 1)). Validation and test data are balanced, so that the
accuracy weighs all classes equally. Also reported are the recalls of many-, medium- and few-shot
classes and of the worst class, and the minority initial drop (Francazi et al. 2023): gradients
that follow the majority first unlearn the minority. CIFAR-10 with factor 100, a ResNet-32 and 200
epochs of batch 128 are the setting of Cao et al. 2019, "Learning Imbalanced Datasets with
Label-Distribution-Aware Margin Loss"; they tune on the test set, here 500 images per class are held
out for it, so that the largest class has 4,500.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Point, Problem, Shuffled, Split, constant_generator, score, task
from suite.data import load_images

from .balance import balanced_metrics, by_class, class_sizes, minority_drop
from .digits_data import CLASSES, perceptron, read_digits
from .images import ImageProblem, normalize
from .networks import resnet


class LongTailDigits(Problem):
    """Digits: `largest` zeros down to `largest / imbalance` nines; the rest is held out."""

    def __init__(
        self, largest: int, imbalance: float, validation: int, test: int, width: int, depth: int
    ) -> None:
        self.largest = largest
        self.imbalance = imbalance
        self.validation = validation
        self.test = test
        self.width = width
        self.depth = depth
        self.classes = CLASSES

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        test, rest = self._tested(digits.targets, fingerprint)
        sizes = (self.validation, self.largest)
        validation, largest = by_class(digits.targets[rest], sizes, CLASSES, generator)
        kept = class_sizes(self.largest, self.imbalance, CLASSES)
        train = torch.cat([largest[k, :count] for k, count in enumerate(kept)])
        chosen = (rest[train], rest[validation.flatten()], test)
        splits = [Split(digits.inputs[i], digits.targets[i]) for i in chosen]
        return Data(*splits, fingerprint, source="scikit-learn")

    def _tested(self, labels: Tensor, fingerprint: str) -> tuple[Tensor, Tensor]:
        """Indices of the test images, which are the same in every run, and of all others."""
        source = constant_generator(fingerprint)
        (test,) = by_class(labels, (self.test,), CLASSES, source)
        others = torch.ones(len(labels), dtype=torch.bool)
        others[test.flatten()] = False
        return test.flatten(), others.nonzero().flatten()

    def model(self) -> nn.Module:
        return perceptron(self.width, self.depth)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return balanced_metrics(model, split, CLASSES)

    def summarize(self, history: Sequence[Point]) -> dict[str, float]:
        return minority_drop(history)


class LongTailCifar(ImageProblem):
    """CIFAR with `train` images of the first class and exponentially fewer of the next ones.

    Validation images are taken evenly from all classes before the tail is cut.
    """

    def __init__(
        self, dataset: str, train: int, validation: int, test: int, imbalance: float
    ) -> None:
        super().__init__(dataset, train, validation, test)
        self.imbalance = imbalance

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        needed = self.classes * (self.train + self.validation)
        images = load_images(self.dataset, folder, train=needed, test=self.classes * self.test)
        sizes = (self.validation, self.train)
        validation, rest = by_class(images.train.targets, sizes, self.classes, generator)
        source = constant_generator(images.fingerprint)
        (test,) = by_class(images.test.targets, (self.test,), self.classes, source)
        kept = class_sizes(self.train, self.imbalance, self.classes)
        train = torch.cat([rest[k, :count] for k, count in enumerate(kept)])
        parts = ((images.train, train), (images.train, validation), (images.test, test))
        splits = [Split(s.inputs[i.flatten()], s.targets[i.flatten()]) for s, i in parts]
        return Data(*splits, images.fingerprint, images.canonical, images.source)

    def model(self) -> nn.Module:
        return resnet(self.classes, width=16, blocks=(5, 5, 5))

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return balanced_metrics(
            lambda images: model(normalize(images, self.dataset)), split, self.classes
        )

    def summarize(self, history: Sequence[Point]) -> dict[str, float]:
        return minority_drop(history)


task(
    "digits_longtail",
    LongTailDigits(largest=100, imbalance=100, validation=30, test=44, width=128, depth=2),
    version=2,
    track="mini",
    contrast=("adamw", "mezo"),
    summary="Digits, 100 zeros down to a single nine: balanced test accuracy.",
    source="Cui et al. 2019, imbalance factor 100; scikit-learn's digits",
    batch_size=48,
    budget=48 * 400,
    evaluations=25,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.7,
)

task(
    "cifar10_longtail",
    LongTailCifar("cifar10", train=4500, validation=500, test=1000, imbalance=100),
    version=2,
    track="full",
    summary="CIFAR-10, 4,500 images of the first class down to 45 of the last: balanced accuracy.",
    source="Cui et al. 2019; Cao et al. 2019: ResNet-32, batch 128, 200 epochs, imbalance 100",
    batch_size=128,
    budget=200 * 11_165,
    evaluations=50,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.68,
    time_limit=4 * 3600.0,
)
