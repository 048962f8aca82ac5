"""Plasticity on 8 x 8 digits: long streams on which a network must stay able to learn.

A fourth stream, with permuted pixels, is `permuted_digits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, FullBatch, Problem, Shuffled, Split, TaskStream, score, split_once, task

from ..vision.digits_data import CLASSES, perceptron, read_digits
from .permutations import label_exchange


class DigitStream(Problem):
    """Shared by the streams here: the network, and boundaries that methods are not told about."""

    def __init__(self, tasks: int, width: int, depth: int) -> None:
        self.tasks = tasks
        self.width = width
        self.depth = depth
        self.classes = CLASSES

    def model(self) -> nn.Module:
        return perceptron(self.width, self.depth)


class LabelPermutedDigits(DigitStream):
    """Each task has all images, with the ten labels exchanged among the classes.

    The features stay useful; the meaning of a label does not. In Elsayed and Mahmood 2024
    (label-permuted EMNIST, 47 classes) most methods, Adam among them, lose plasticity. Here tuned
    SGD stays far above tuned AdamW. Measured are the online accuracy and their plasticity, before
    and after each step.
    """

    online = True
    measures_plasticity = True

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        return Data(digits, None, None, fingerprint, source="scikit-learn")

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return TaskStream(self.tasks, partial(permuted_labels, train, batch_size), generator)


class RandomLabelMemory(DigitStream):
    """A few images with random labels, new in every task, which have to be memorized.

    All images are one batch, which is measured before each step; an evaluation at the end of a
    task reads the last measurement: how much of the task was memorized (Lyle et al. 2024).
    """

    online = True
    every_step = True

    def __init__(self, images: int, tasks: int, width: int, depth: int) -> None:
        super().__init__(tasks, width, depth)
        self.images = images

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        chosen = torch.randperm(len(digits), generator=generator)[: self.images]
        train = Split(digits.inputs[chosen], digits.targets[chosen])
        return Data(train, None, None, fingerprint, source="scikit-learn")

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return TaskStream(self.tasks, partial(random_labels, train), generator)


class ScoleDigits(DigitStream):
    """SCoLe: each of very many short tasks has two random classes, which occur again and again.

    Each task overwrites much of the others, but the accuracy on all classes rises (Lesort et
    al. 2023): methods differ in how much they remember.
    """

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        splits = split_once(digits, fingerprint, generator, train=1000, validation=397)
        return Data(*splits, fingerprint, source="scikit-learn")

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return TaskStream(self.tasks, partial(two_classes, train, batch_size), generator)


def permuted_labels(
    train: Split, batch_size: int, task: int, generator: torch.Generator
) -> Shuffled:
    """One task's batches: every class has another one's label."""
    labels = label_exchange(train, CLASSES, generator)
    return Shuffled(Split(train.inputs, labels[train.targets]), batch_size, generator)


def random_labels(train: Split, task: int, generator: torch.Generator) -> FullBatch:
    """One task's only batch: all images, with labels that do not depend on them."""
    labels = torch.randint(CLASSES, (len(train),), generator=generator)
    return FullBatch(Split(train.inputs, labels.to(train.inputs.device)))


def two_classes(train: Split, batch_size: int, task: int, generator: torch.Generator) -> Shuffled:
    """One task's batches: the images of two classes drawn at random."""
    first, second = torch.randperm(CLASSES, generator=generator)[:2].tolist()
    chosen = (train.targets == first) | (train.targets == second)
    return Shuffled(Split(train.inputs[chosen], train.targets[chosen]), batch_size, generator)


# One task is a pass over the images: 1797 // 32 = 56 batches.
task(
    "label_permuted_digits",
    LabelPermutedDigits(tasks=40, width=64, depth=4),
    version=2,
    track="mini",
    stream=True,
    contrast=("sgd", "adamw"),
    summary="Plasticity: digits under 40 permutations of the labels in a row; online accuracy.",
    source="Elsayed and Mahmood 2024 (UPGD), label-permuted EMNIST; here with 8 x 8 digits",
    batch_size=32,
    budget=40 * 56 * 32,
    evaluations=40,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.6,
)

task(
    "random_label_memory",
    RandomLabelMemory(images=128, tasks=25, width=64, depth=3),
    version=2,
    track="mini",
    stream=True,
    contrast=("adamw+redo", "adamw"),
    summary="Plasticity: 128 digits, 25 sets of random labels in a row; share of them memorized.",
    source="Lyle et al. 2024, Normalization and effective learning rates in reinforcement "
    "learning; here with 8 x 8 digits",
    batch_size=128,
    budget=25 * 72 * 128,
    evaluations=25,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.8,
)

task(
    "scole_digits",
    ScoleDigits(tasks=100, width=64, depth=2),
    version=2,
    track="mini",
    stream=True,
    contrast=("adamw+iterate_ema", "adamw"),
    summary="100 short tasks of 2 random classes of digits: accuracy on all classes over the run.",
    source="Lesort et al. 2023, Challenging Common Assumptions about Catastrophic Forgetting "
    "(SCoLe); here with 8 x 8 digits",
    batch_size=10,
    budget=100 * 24 * 10,
    evaluations=100,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.9,
)
