"""Stale gradients: each arrives D steps after the weights that it belongs to.

Venigalla et al. 2020, "Adaptive Braking for Mitigating Gradient Delay": asynchronous and pipelined
training hides communication, but a step follows the gradient at weights of D steps before, which
makes momentum and large rates unstable. The authors train ResNets on CIFAR-10 with D up to 32 and
more.
"""

from __future__ import annotations

from torch import nn

from suite import score, task

from .digits import Digits
from .images import ImageProblem
from .networks import resnet


class DelayedDigits(Digits):
    """Learn digits with gradients that come `delay` steps late."""

    def __init__(self, delay: int, train: int, validation: int, width: int, depth: int) -> None:
        super().__init__(train, validation, width, depth)
        self.gradient_delay = delay


class DelayedCifar(ImageProblem):
    """CIFAR with gradients that come `delay` steps late; a ResNet-20."""

    def __init__(self, dataset: str, train: int, validation: int, test: int, delay: int) -> None:
        super().__init__(dataset, train, validation, test)
        self.gradient_delay = delay

    def model(self) -> nn.Module:
        return resnet(self.classes, width=16, blocks=(3, 3, 3))


task(
    "gradient_delay_mini",
    DelayedDigits(delay=16, train=500, validation=500, width=128, depth=2),
    version=2,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="Digits with gradients 16 steps late: mean test loss over training.",
    source="Venigalla et al. 2020; scikit-learn's digits",
    batch_size=100,
    budget=100 * 400,
    evaluations=40,
    score=score.mean("loss", higher_is_better=False, worst=8.0),
    target=0.25,
)

task(
    "gradient_delay",
    DelayedCifar("cifar10", train=45_000, validation=5_000, test=10_000, delay=32),
    version=2,
    track="full",
    summary="CIFAR-10 and a ResNet-20 with gradients 32 steps late, 60 epochs: test accuracy.",
    source="Venigalla et al. 2020: ResNets on CIFAR-10, delays of 32 steps; He et al. 2016",
    batch_size=128,
    budget=60 * 45_000,
    evaluations=30,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.85,
    time_limit=4 * 3600.0,
)
