"""CIFAR-10 and CIFAR-100 with the networks of the literature, for one GPU.

Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images". ResNet-18: He et al. 2016,
adapted to 32 x 32 pixels, with their augmentation (mirrored, 4 pixels of padding, random crops) and
batch size; they train for about 180 epochs, here it is 30, as in the third part of Page 2018,
"How to Train Your ResNet". Airbench: Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on
a Single GPU", 9.9 epochs at batch 1024.

Of airbench94 the task keeps the network, whitening from training images included, translation by
2 pixels and evaluation over six views of each image. Its label smoothing, Lookahead, learning rate
of the biases and freezing of one of them are methods, not the task. Mirroring is random here, and
not alternating; 5,000 training images are held out. All 50,000 and the author's method give 94 %.
"""

from __future__ import annotations

from torch import Tensor, nn

from suite import Split, classification_metrics, score, task

from .images import ImageProblem, normalize
from .networks import airbench, resnet

TRAIN, VALIDATION, TEST = 45_000, 5_000, 10_000


class ResNet18(ImageProblem):
    """ResNet-18 for 32 x 32 pixels: 11.2 million weights."""

    def model(self) -> nn.Module:
        return resnet(self.classes, width=64, blocks=(2, 2, 2, 2))


class Airbench(ImageProblem):
    """The network of airbench94: 2 million weights."""

    margin = 2
    reflect = True

    def model(self) -> nn.Module:
        return airbench(self.classes)

    def initialize(self, model: nn.Module, train: Split) -> None:
        model.features[0].fit(normalize(train.inputs[:5000], self.dataset))

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return classification_metrics(
            lambda images: six_views(model, normalize(images, self.dataset)), split, chunk=1000
        )


def six_views(model: nn.Module, images: Tensor) -> Tensor:
    """Mean scores of an image and its mirror image: half in place, half moved diagonally by one."""
    padded = nn.functional.pad(images, (1, 1, 1, 1), mode="reflect")
    moved = (padded[:, :, :-2, :-2], padded[:, :, 2:, 2:])
    in_place = model(images) + model(images.flip(3))
    diagonal = sum(model(view) + model(view.flip(3)) for view in moved)
    return in_place / 4 + diagonal / 8


task(
    "cifar10_resnet18",
    ResNet18("cifar10", TRAIN, VALIDATION, TEST),
    version=2,
    track="full",
    summary="CIFAR-10 with a ResNet-18 in 30 epochs: test accuracy.",
    source="He et al. 2016, adapted to 32 x 32 pixels; 30 epochs after Page 2018",
    batch_size=128,
    budget=30 * TRAIN,
    evaluations=30,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.93,
    time_limit=4 * 3600.0,
)

task(
    "cifar100_resnet18",
    ResNet18("cifar100", TRAIN, VALIDATION, TEST),
    version=2,
    track="full",
    summary="CIFAR-100 with a ResNet-18 in 30 epochs: test accuracy.",
    source="He et al. 2016, adapted to 32 x 32 pixels; 30 epochs after Page 2018",
    batch_size=128,
    budget=30 * TRAIN,
    evaluations=30,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.72,
    time_limit=4 * 3600.0,
)

task(
    "cifar10_airbench",
    Airbench("cifar10", TRAIN, VALIDATION, TEST),
    version=2,
    track="full",
    summary="CIFAR-10 with the airbench94 network in 9.9 epochs: test accuracy.",
    source="Jordan 2024, airbench94: network, batch size, epochs, views of the evaluation",
    batch_size=1024,
    budget=round(9.9 * TRAIN),
    evaluations=10,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.93,
    time_limit=3600.0,
)

task(
    "cifar100_airbench",
    Airbench("cifar100", TRAIN, VALIDATION, TEST),
    version=2,
    track="full",
    summary="CIFAR-100 with the airbench94 network in 9.9 epochs: test accuracy.",
    source="Jordan 2024, airbench94: network, batch size, epochs, views of the evaluation",
    batch_size=1024,
    budget=round(9.9 * TRAIN),
    evaluations=10,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.7,
    time_limit=3600.0,
)
