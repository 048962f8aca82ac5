"""Cutout: a square of every training image is set to zero."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class Cutout(Regularizer):
    """DeVries and Taylor 2017, section 3.2: one square of zeros, of a fixed length, in each image.

    Its centre is a random pixel, so that a part of it may be outside of the image. As in the
    authors' code it reaches from centre - length // 2 to centre + length // 2, without the last.

    Deviates from the paper: the length is a share of the side, rounded. Inputs of n = s^2 numbers
    are taken for images of s x s pixels. Images that a task normalizes inside of its model have
    squares of black instead of the mean.
    """

    def __init__(self, length: float) -> None:
        self.length = length

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.inputs == "tokens":
            raise NotApplicable("cutout needs images, and this task's inputs are tokens")
        self._generator = info.generator

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        height, width = _sides(inputs)
        half = round(self.length * min(height, width)) // 2
        if half == 0:
            return inputs, targets
        examples = len(inputs)
        rows = torch.randint(height, (examples,), generator=self._generator)
        columns = torch.randint(width, (examples,), generator=self._generator)
        cut = _within(rows, half, height)[:, :, None] & _within(columns, half, width)[:, None, :]
        images = inputs.view(examples, -1, height, width)
        images = images.masked_fill(cut[:, None].to(inputs.device), 0)
        return images.view(inputs.shape), targets


def _sides(inputs: Tensor) -> tuple[int, int]:
    if inputs.ndim == 4:
        return inputs.shape[2], inputs.shape[3]
    side = math.isqrt(inputs[0].numel())
    if inputs.ndim != 2 or side**2 != inputs.shape[1]:
        raise NotApplicable("cutout needs images: inputs (N, C, H, W), or (N, s^2)")
    return side, side


def _within(centres: Tensor, half: int, size: int) -> Tensor:
    """Which of `size` places are in the square, of shape (examples, size)."""
    places = torch.arange(size)
    return (places >= centres[:, None] - half) & (places < centres[:, None] + half)


regularizer(
    "cutout",
    Cutout,
    summary="Sets a random square of every training image to zero.",
    paper="DeVries and Taylor 2017, Improved Regularization of Convolutional Neural Networks with "
    "Cutout",
    url="https://arxiv.org/abs/1708.04552",
    search={"length": search.choice(0.0, 0.25, 0.375, 0.5, 0.625, default=0.5)},
    claims=[
        Claim(
            says="Cutout lowers the test error of a ResNet-18 on CIFAR-10.",
            task="cifar10_resnet18",
            method="sgd+cutout",
            rival="sgd",
            measure="score",
            expect="better",
            number="test error with augmentation, mean of 5 runs: 4.72 % without cutout, 3.99 "
            "% with it",
            place="README of uoguelph-mlrg/Cutout",
        ),
        Claim(
            says="Cutout lowers the test error of a ResNet-18 on CIFAR-100.",
            task="cifar100_resnet18",
            method="sgd+cutout",
            rival="sgd",
            measure="score",
            expect="better",
            number="test error with augmentation, mean of 5 runs: 22.46 % without cutout, "
            "21.96 % with it",
            place="README of uoguelph-mlrg/Cutout",
        ),
    ],
)
