"""Continual learning on 8 x 8 digits: five tasks in a row, and how much of the first is forgotten.

The scenarios are those of van de Ven and Tolias 2019, "Three scenarios for continual learning":
new classes with one output layer, new classes with the task known, and the same classes in new
images. Mammoth (Buzzega et al. 2020) and Avalanche (Lomonaco et al. 2021) have them for MNIST with
the same five pairs of classes. Unlike there, tuning never sees test images, every other random draw
follows the seed, and forward transfer is measured against the accuracy at initialization (mammoth's
compares two evaluations of the same weights, so that it is about 0).

Mezo against AdamW is the question of Feng et al. 2025, "ZeroFlow: Overcoming Catastrophic
Forgetting is Easier than You Think": do forward passes alone forget less?
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Split, score, split_once, task

from ..vision.digits_data import CLASSES, PIXELS, perceptron, read_digits
from .problem import ContinualProblem, among_own_task

TASKS = 5
CLASSES_PER_TASK = CLASSES // TASKS
TRAIN, VALIDATION = 1000, 397


class SplitDigits(ContinualProblem):
    """Class-incremental: two classes per task, and one output layer that must distinguish all ten.

    The classes come in the order of their numbers, as in the literature's split MNIST.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width = width
        self.depth = depth
        self.classes = CLASSES
        self.tasks = TASKS

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        digits, fingerprint = read_digits()
        sizes = {"train": TRAIN, "validation": VALIDATION}
        splits = split_once(digits, fingerprint, generator, **sizes)
        train, validation, test = self.of_all_tasks(splits, generator)
        return Data(train, validation, test, fingerprint, source="scikit-learn")

    def of_all_tasks(self, splits: Sequence[Split], generator: torch.Generator) -> Sequence[Split]:
        """The splits with the examples of all tasks."""
        return splits

    def task_numbers(self, split: Split) -> Tensor:
        return split.targets // CLASSES_PER_TASK

    def model(self) -> nn.Module:
        return perceptron(self.width, self.depth)


class SplitDigitsTask(SplitDigits):
    """Task-incremental: a prediction chooses among the two classes of the example's task."""

    restrict = staticmethod(partial(among_own_task, classes=CLASSES_PER_TASK))


class GrowingDigits(SplitDigits):
    """Two more classes per task, among all the images of the classes before.

    Nothing needs to be forgotten: the question is whether a network that has learned few classes
    well can still learn the others (Dohare et al. 2024, class-incremental CIFAR-100).
    """

    joint = True


class StabilityGap(GrowingDigits):
    """Growing classes, evaluated after every step.

    Although all earlier images stay in training, accuracy on them falls when new classes come,
    and recovers (De Lange et al. 2023; with full replay: Kamath et al. 2024, "The Expanding Scope
    of the Stability Gap"). Evaluations at the ends of tasks miss it.
    """

    every_step = True


class DigitDomains(SplitDigits):
    """Domain-incremental: every task has all images and all classes, each in another version.

    A split holds one version after the other, with the images in the same order.
    """

    def of_all_tasks(self, splits: Sequence[Split], generator: torch.Generator) -> list[Split]:
        versions = self.versions(generator)
        return [
            Split(torch.cat([v(split.inputs) for v in versions]), split.targets.repeat(self.tasks))
            for split in splits
        ]

    @abstractmethod
    def versions(self, generator: torch.Generator) -> list[Callable[[Tensor], Tensor]]:
        """For every task, the change to images (N, 64)."""

    def task_numbers(self, split: Split) -> Tensor:
        numbers = torch.arange(self.tasks, device=split.targets.device)
        return numbers.repeat_interleave(len(split) // self.tasks)


class PermutedDomains(DigitDomains):
    """Each task has the pixels of all images in a different order."""

    def versions(self, generator: torch.Generator) -> list[Callable[[Tensor], Tensor]]:
        orders = [torch.randperm(PIXELS, generator=generator) for _ in range(self.tasks)]
        return [partial(permuted, order=order) for order in orders]


class RotatedDigits(DigitDomains):
    """Each task has all images turned by 36 degrees more than the one before."""

    def versions(self, generator: torch.Generator) -> list[Callable[[Tensor], Tensor]]:
        return [partial(rotated, degrees=180 * n / self.tasks) for n in range(self.tasks)]


def permuted(images: Tensor, order: Tensor) -> Tensor:
    """Images (N, 64) with their pixels in another order."""
    return images[:, order]


def rotated(images: Tensor, degrees: float) -> Tensor:
    """Images (N, 64) turned counterclockwise; pixels from outside continue the edge."""
    side = math.isqrt(PIXELS)
    shape = (len(images), 1, side, side)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]]).expand(len(images), 2, 3)
    where = nn.functional.affine_grid(turn, shape, align_corners=False)
    turned = nn.functional.grid_sample(
        images.view(shape), where, padding_mode="border", align_corners=False
    )
    return turned.flatten(1)


# Few passes over each task's images, as in online continual learning (Lopez-Paz and Ranzato 2017),
# and the mean over the run: after many passes over one task, every method forgets the others.
task(
    "split_digits",
    SplitDigits(width=64, depth=2),
    version=2,
    track="mini",
    stream=True,
    contrast=("muon", "lion"),
    summary="Class-incremental digits, 5 tasks of 2 classes: mean accuracy on the classes so far.",
    source="split MNIST (mammoth, Avalanche; van de Ven and Tolias 2019) with 8 x 8 digits",
    batch_size=10,
    budget=TASKS * 24 * 10,
    evaluations=TASKS * 4,
    score=score.final("average_anytime_accuracy", higher_is_better=True, worst=0.0),
    target=0.56,
)

task(
    "split_digits_task",
    SplitDigitsTask(width=64, depth=2),
    version=2,
    track="mini",
    stream=True,
    contrast=("adamw", "mezo"),
    summary="Task-incremental digits, 5 tasks of 2 classes each: accuracy on all at the end.",
    source="split MNIST (mammoth, Avalanche; van de Ven and Tolias 2019) with 8 x 8 digits",
    batch_size=32,
    budget=TASKS * 60 * 32,
    evaluations=TASKS * 2,
    score=score.final("average_accuracy", higher_is_better=True, worst=0.0),
    target=0.95,
)

task(
    "permuted_digits_domains",
    PermutedDomains(width=64, depth=2),
    version=2,
    track="mini",
    stream=True,
    contrast=("adamw", "lion"),
    summary="Digits under 5 pixel permutations in a row: accuracy on all five at the end.",
    source="permuted MNIST (Goodfellow et al. 2013; mammoth, Avalanche) with 8 x 8 digits",
    batch_size=32,
    budget=TASKS * 120 * 32,
    evaluations=TASKS * 2,
    score=score.final("average_accuracy", higher_is_better=True, worst=0.0),
    target=0.6,
)

task(
    "rotated_digits",
    RotatedDigits(width=64, depth=2),
    version=2,
    track="mini",
    core=True,
    stream=True,
    contrast=("adamw", "mezo"),
    summary="Digits turned by 0 to 144 degrees, 5 tasks in a row: accuracy on all at the end.",
    source="rotated MNIST (Lopez-Paz and Ranzato 2017; mammoth, Avalanche) with 8 x 8 digits",
    batch_size=32,
    budget=TASKS * 120 * 32,
    evaluations=TASKS * 2,
    score=score.final("average_accuracy", higher_is_better=True, worst=0.0),
    target=0.58,
)

task(
    "stability_gap_digits",
    StabilityGap(width=64, depth=2),
    version=2,
    track="mini",
    stream=True,
    contrast=("adamw+iterate_ema", "adamw"),
    summary="Digits with 2 more classes a task, evaluated after every step: worst-case accuracy.",
    source="De Lange et al. 2023, Continual evaluation for lifelong learning; here with 8 x 8 "
    "digits and all earlier images in training",
    batch_size=32,
    budget=TASKS * 120 * 32,
    evaluations=TASKS * 4,
    score=score.final("wc_acc", higher_is_better=True, worst=0.0),
    target=0.8,
)

task(
    "class_incremental_growth",
    GrowingDigits(width=64, depth=4),
    version=2,
    track="mini",
    core=True,
    stream=True,
    contrast=("sgd", "adamw"),
    summary="Digits with 2 more classes a task among all earlier ones: accuracy over the run.",
    source="Dohare et al. 2024, class-incremental CIFAR-100; here with 8 x 8 digits",
    batch_size=32,
    budget=TASKS * 60 * 32,
    evaluations=TASKS * 4,
    score=score.final("average_anytime_accuracy", higher_is_better=True, worst=0.0),
    target=0.9,
)
