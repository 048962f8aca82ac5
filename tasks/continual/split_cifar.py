"""Continual learning on CIFAR-10 and CIFAR-100, for one GPU.

The splits, networks and lengths are those of mammoth (Buzzega et al. 2020, "Dark Experience for
General Continual Learning"): classes in the order of their numbers, 50 epochs per task, batches of
32, ResNet-18, random crops and mirror images. Unlike there, a tenth of the training images is held
out for tuning. A trial passes 2.25 million images forward and backward, in the order of a quarter
of an hour of a data-center GPU.

`incremental_cifar100` and `continual_binary_cifar100` follow Dohare et al. 2024, "Loss of
plasticity in deep continual learning".
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from suite import Split, mark_head, score, task

from ..vision.images import ImageProblem, flip_and_crop, normalize
from ..vision.networks import resnet
from .problem import Augment, ContinualProblem, among_own_task

TRAIN, VALIDATION, TEST = 45_000, 5_000, 10_000


class SplitImages(ContinualProblem, ImageProblem):
    """Class-incremental: a few new classes per task, and one output layer for all of them."""

    def __init__(self, dataset: str, tasks: int) -> None:
        super().__init__(dataset, TRAIN, VALIDATION, TEST)
        self.tasks = tasks

    def task_numbers(self, split: Split) -> Tensor:
        return split.targets // (self.classes // self.tasks)

    def augmentation(self) -> Augment:
        return partial(flip_and_crop, dataset=self.dataset, margin=self.margin, reflect=False)

    def as_inputs(self, inputs: Tensor) -> Tensor:
        return normalize(inputs, self.dataset)

    def model(self) -> nn.Module:
        return resnet(self.classes, width=64, blocks=(2, 2, 2, 2))


class PairsKnown(SplitImages):
    """Task-incremental: a prediction chooses among the two classes of the example's task."""

    restrict = staticmethod(partial(among_own_task, classes=2))


class TensKnown(SplitImages):
    """Task-incremental: a prediction chooses among the ten classes of the example's task."""

    restrict = staticmethod(partial(among_own_task, classes=10))


class GrowingImages(SplitImages):
    """A few more classes per task, among all the images of the classes before.

    The original (Dohare et al. 2024) trains 200 epochs after each increase, and restores the best
    weights at the next one; it turns images by up to 15 degrees, pads by reflection and orders the
    classes at random. Here the total number of images is the same, but every number of classes has
    an equal share of them, and the method decides what is kept.
    """

    joint = True


class BinaryTasks(PairsKnown):
    """Many two-class problems in a row, each with a new pair of outputs.

    The original sets the one pair of outputs to zero before each of its 5,000 tasks. Here they are
    50, as CIFAR-100 has no more disjoint pairs, and each has separate outputs, which start at
    zero. Learning them must not become harder: the score is the accuracy on each task right
    after its training. Its network: 5 x 5, 3 x 3 and 3 x 3 convolutions with 32, 64 and 128
    channels, each max-pooled, and two linear layers of 128 units.
    """

    def augmentation(self) -> Augment:
        return partial(_normalized, dataset=self.dataset)

    def model(self) -> nn.Module:
        head = nn.Linear(128, self.classes)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        layers: list[nn.Module] = []
        for inputs, outputs, size in ((3, 32, 5), (32, 64, 3), (64, 128, 3)):
            layers += [nn.Conv2d(inputs, outputs, size), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
        return nn.Sequential(*layers, mark_head(head))

    def accelerate(self, model: nn.Module, device: str) -> None:
        """The network is too small for compiling to be worthwhile."""


def _normalized(images: Tensor, generator: object, dataset: str) -> Tensor:
    return normalize(images, dataset)


task(
    "split_cifar10",
    SplitImages("cifar10", tasks=5),
    version=2,
    track="full",
    stream=True,
    summary="Class-incremental CIFAR-10, 5 x 2 classes: mean accuracy on the classes so far.",
    source="mammoth's seq-cifar10 (Buzzega et al. 2020), class-incremental",
    batch_size=32,
    budget=50 * TRAIN,
    evaluations=2 * 5,
    score=score.final("average_anytime_accuracy", higher_is_better=True, worst=0.0),
    target=0.45,
    time_limit=6 * 3600.0,
)

task(
    "split_cifar10_task",
    PairsKnown("cifar10", tasks=5),
    version=2,
    track="full",
    stream=True,
    summary="Task-incremental CIFAR-10, 5 x 2 classes: accuracy on all tasks at the end.",
    source="mammoth's seq-cifar10 (Buzzega et al. 2020), task-incremental",
    batch_size=32,
    budget=50 * TRAIN,
    evaluations=2 * 5,
    score=score.final("average_accuracy", higher_is_better=True, worst=0.0),
    target=0.7,
    time_limit=6 * 3600.0,
)

task(
    "split_cifar100",
    SplitImages("cifar100", tasks=10),
    version=2,
    track="full",
    stream=True,
    summary="Class-incremental CIFAR-100, 10 x 10 classes: mean accuracy on the classes so far.",
    source="mammoth's seq-cifar100 (Buzzega et al. 2020), class-incremental",
    batch_size=32,
    budget=50 * TRAIN,
    evaluations=2 * 10,
    score=score.final("average_anytime_accuracy", higher_is_better=True, worst=0.0),
    target=0.25,
    time_limit=6 * 3600.0,
)

task(
    "split_cifar100_task",
    TensKnown("cifar100", tasks=10),
    version=2,
    track="full",
    stream=True,
    summary="Task-incremental CIFAR-100, 10 x 10 classes: accuracy on all tasks at the end.",
    source="mammoth's seq-cifar100 (Buzzega et al. 2020), task-incremental",
    batch_size=32,
    budget=50 * TRAIN,
    evaluations=2 * 10,
    score=score.final("average_accuracy", higher_is_better=True, worst=0.0),
    target=0.4,
    time_limit=6 * 3600.0,
)

task(
    "incremental_cifar100",
    GrowingImages("cifar100", tasks=20),
    version=2,
    track="full",
    stream=True,
    summary="CIFAR-100 with 5 more classes a task among all earlier ones: accuracy at the end.",
    source="Dohare et al. 2024, class-incremental CIFAR-100 with ResNet-18",
    batch_size=90,
    budget=200 * 450 * 5 * 210,
    evaluations=20,
    score=score.final("average_accuracy", higher_is_better=True, worst=0.0),
    target=0.7,
    time_limit=24 * 3600.0,
)

task(
    "continual_binary_cifar100",
    BinaryTasks("cifar100", tasks=50),
    version=2,
    track="full",
    stream=True,
    summary="50 two-class problems in a row: accuracy on each right after its training.",
    source="Dohare et al. 2024, continual ImageNet at 32 x 32 pixels; here with CIFAR-100",
    batch_size=100,
    budget=250 * TRAIN,
    evaluations=50,
    score=score.final("learning_accuracy", higher_is_better=True, worst=0.0),
    target=0.85,
    time_limit=12 * 3600.0,
)
