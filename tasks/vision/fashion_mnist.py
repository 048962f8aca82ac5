"""Fashion-MNIST with a small convolutional network.

Xiao et al. 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms"; layers, batch size and length of DeepOBS (Schneider et al. 2019), problem
"fmnist_2c2d". Layers begin as torch makes them, pixels are normalized, and some training images are
held out for tuning.
"""

from __future__ import annotations

from torch import nn

from suite import score, task

from .images import ImageProblem
from .networks import two_and_two


class FashionMnist(ImageProblem):
    """Not augmented, as there."""

    margin = 0

    def model(self) -> nn.Module:
        return two_and_two(self.classes)


task(
    "fashion_mnist",
    FashionMnist("fashion_mnist", train=55_000, validation=5_000, test=10_000),
    version=2,
    track="full",
    summary="Fashion-MNIST, two convolutional and two linear layers, 100 epochs: test accuracy.",
    source="Schneider et al. 2019 (DeepOBS), fmnist_2c2d",
    batch_size=128,
    budget=100 * 55_000,
    evaluations=50,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.92,
    time_limit=4 * 3600.0,
)
