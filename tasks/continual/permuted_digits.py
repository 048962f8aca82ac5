"""Handwritten digits whose pixels have a new permutation in every task of a stream.

Follows Dohare et al. 2024, "Loss of plasticity in deep continual learning" (online permuted MNIST).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from suite import Data, Problem, Shuffled, Split, TaskStream, score, task

from ..vision.digits_data import CLASSES, perceptron, read_digits
from .permutations import pixel_order


class PermutedDigits(Problem):
    """A stream of tasks: all images in a new order, with their pixels in a new permutation.

    Methods are not told when a task begins. The score is the accuracy on each batch before it is
    trained on, so a method must stay able to learn.
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
    permuted = train.inputs.index_select(1, pixel_order(train.inputs, generator))
    return Shuffled(Split(permuted, train.targets), batch_size, generator)


# One task is a pass over the images: 1797 // 32 = 56 batches.
task(
    "permuted_digits",
    PermutedDigits(tasks=80, width=64, depth=4),
    version=3,
    track="mini",
    stream=True,
    contrast=("sgd", "adamw"),
    summary="Plasticity: digits under 80 permutations of the pixels in a row; online accuracy.",
    source="Dohare et al. 2024, online permuted MNIST; scaled down to seconds on one core",
    batch_size=32,
    budget=80 * 56 * 32,
    evaluations=40,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.7,
)
