"""Streams of single images whose meaning changes: plasticity as the literature measures it.

Elsayed and Mahmood 2024, "Addressing Loss of Plasticity and Catastrophic Forgetting in Continual
Learning" (UPGD): 1,000,000 examples, one per step, boundaries unknown, pixels or labels permuted
every 5,000 or 2,500 examples. Dohare et al. 2024, "Loss of plasticity in deep continual learning":
online permuted MNIST, 800 passes of 60,000 examples. Accuracy is measured on each example before
it is trained on, and plasticity again after its step; the score is the mean of the online accuracy.

Pixels are between -1 and 1, and layers begin as torch makes them; Dohare's are between 0 and 1, and
begin as He et al. 2015.

Defects of the original code that are not copied: permutations of the inputs that no seed controls,
windows that are off by one and lose the last task, and, in UPGD's network for CIFAR-10,
convolutions without an activation after them.

A step on one example is mostly overhead, on any machine: in the order of 2 ms, so that a million
of them takes about half an hour, and the 48 million of online permuted MNIST more than a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from suite import Data, Problem, Shuffled, Split, TaskStream, mark_head, score, task
from suite.data import load_images

from .permutations import label_exchange, pixel_order

CLASSES = {"mnist": 10, "emnist_balanced": 47, "cifar10": 10}
Permuted = Literal["inputs", "labels"]


class ImageStream(Problem):
    """`examples` training images per task, drawn again and under a new permutation each time.

    `permuted` says what is permuted: the pixels of the images, or the labels of the classes.
    """

    online = True
    measures_plasticity = True

    def __init__(self, dataset: str, permuted: Permuted, tasks: int, examples: int) -> None:
        self.dataset = dataset
        self.permuted = permuted
        self.tasks = tasks
        self.examples = examples
        self.classes = CLASSES[dataset]

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        images = load_images(self.dataset, folder)
        return Data(images.train, None, None, images.fingerprint, images.canonical, images.source)

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if self.permuted == "inputs":
            start = partial(permuted_inputs, train, self.examples, batch_size)
        else:
            start = partial(permuted_labels, train, self.examples, batch_size, self.classes)
        return TaskStream(self.tasks, start, generator)


class PerceptronStream(ImageStream):
    """With a ReLU network of the given hidden widths; torch's default initialization."""

    def __init__(
        self,
        dataset: str,
        permuted: Permuted,
        tasks: int,
        examples: int,
        widths: tuple[int, ...],
    ) -> None:
        super().__init__(dataset, permuted, tasks, examples)
        self.widths = widths

    def model(self) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise((28 * 28, *self.widths)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers, mark_head(nn.Linear(self.widths[-1], self.classes)))


class ConvolutionStream(ImageStream):
    """With UPGD's network for CIFAR-10, LeNet-5's shape, and ReLU after every layer."""

    def model(self) -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
            mark_head(nn.Linear(84, self.classes)),
        )


def centered(images: Tensor, generator: torch.Generator) -> Tensor:
    """Bytes to floats in [-1, 1]."""
    return images.float() / 127.5 - 1.0


def with_pixels(order: Tensor, images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W), centered, with their pixels in another order."""
    return centered(images.flatten(1)[:, order].view_as(images), generator)


def permuted_inputs(
    train: Split, examples: int, batch_size: int, task: int, generator: torch.Generator
) -> Shuffled:
    """One task's batches: every image has its pixels in the same new order."""
    order = pixel_order(train.inputs, generator)
    part = drawn(train, examples, generator)
    return Shuffled(part, batch_size, generator, augment=partial(with_pixels, order))


def permuted_labels(
    train: Split,
    examples: int,
    batch_size: int,
    classes: int,
    task: int,
    generator: torch.Generator,
) -> Shuffled:
    """One task's batches: every class has another one's label."""
    labels = label_exchange(train, classes, generator)
    part = drawn(train, examples, generator)
    part.targets = labels[part.targets]
    return Shuffled(part, batch_size, generator, augment=centered)


def drawn(train: Split, examples: int, generator: torch.Generator) -> Split:
    """That many examples without replacement; all of them if there are fewer."""
    chosen = torch.randperm(len(train), generator=generator)[:examples].to(train.targets.device)
    return Split(train.inputs[chosen], train.targets[chosen])


task(
    "online_permuted_mnist",
    PerceptronStream("mnist", "inputs", tasks=800, examples=60_000, widths=(2000, 2000, 2000)),
    version=2,
    track="full",
    stream=True,
    summary="Plasticity: MNIST, one image a step, pixels permuted 800 times; online accuracy.",
    source="Dohare et al. 2024, online permuted MNIST",
    batch_size=1,
    budget=800 * 60_000,
    evaluations=200,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.93,
    time_limit=96 * 3600.0,
)

task(
    "input_permuted_mnist",
    PerceptronStream("mnist", "inputs", tasks=200, examples=5_000, widths=(300, 150)),
    version=2,
    track="full",
    stream=True,
    summary="Plasticity: MNIST, one image a step, pixels permuted 200 times; online accuracy.",
    source="Elsayed and Mahmood 2024 (UPGD), input-permuted MNIST",
    batch_size=1,
    budget=200 * 5_000,
    evaluations=200,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.75,
    time_limit=6 * 3600.0,
)

task(
    "label_permuted_emnist",
    PerceptronStream("emnist_balanced", "labels", tasks=400, examples=2_500, widths=(300, 150)),
    version=2,
    track="full",
    stream=True,
    summary="Plasticity: EMNIST, one image a step, labels permuted 400 times; online accuracy.",
    source="Elsayed and Mahmood 2024 (UPGD), label-permuted EMNIST",
    batch_size=1,
    budget=400 * 2_500,
    evaluations=200,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.6,
    time_limit=6 * 3600.0,
)

task(
    "label_permuted_cifar10",
    ConvolutionStream("cifar10", "labels", tasks=400, examples=2_500),
    version=2,
    track="full",
    stream=True,
    summary="Plasticity: CIFAR-10, one image a step, labels permuted 400 times; online accuracy.",
    source="Elsayed and Mahmood 2024 (UPGD), label-permuted CIFAR-10",
    batch_size=1,
    budget=400 * 2_500,
    evaluations=200,
    score=score.mean("accuracy", higher_is_better=True, worst=0.0),
    target=0.35,
    time_limit=6 * 3600.0,
)
