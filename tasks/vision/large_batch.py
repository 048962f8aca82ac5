"""Large batches: the same number of epochs, a sixty-fourth of the steps.

Keskar et al. 2017, "On Large-Batch Training for Deep Learning"; Goyal et al. 2017, "Accurate,
Large Minibatch SGD"; Shallue et al. 2019, "Measuring the Effects of Data Parallelism on Neural
Network Training". Here: a ResNet-18 in 30 epochs, as `cifar10_resnet18`, with batches of 8,192
instead of 128, which leaves five steps per epoch. With few steps each step must achieve much,
and nearly all noise is gone.
"""

from __future__ import annotations

from suite import score, task

from .cifar_full import ResNet18
from .mnist1d import Mnist1d

task(
    "large_batch_mini",
    Mnist1d(channels=25),
    version=2,
    track="mini",
    contrast=("adamw", "sgd"),
    summary="MNIST-1D in 80 steps of 800 of the 4,000 signals: mean test loss.",
    source="batch of a fifth of the data, as 8,192 of 45,000 images; Greydanus and Kobak 2024",
    batch_size=800,
    budget=800 * 80,
    evaluations=20,
    score=score.mean("loss", higher_is_better=False, worst=8.0),
    target=0.8,
)

task(
    "large_batch",
    ResNet18("cifar10", train=45_000, validation=5_000, test=10_000),
    version=2,
    track="full",
    summary="CIFAR-10 with a ResNet-18 in 30 epochs at batch 8,192: test accuracy.",
    source="Shallue et al. 2019 (up to 8,192 on small images); ResNet-18 as cifar10_resnet18",
    batch_size=8192,
    budget=30 * 5 * 8192,
    evaluations=15,
    score=score.final("accuracy", higher_is_better=True, worst=0.0),
    target=0.85,
    time_limit=4 * 3600.0,
)
