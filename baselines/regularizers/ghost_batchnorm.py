"""Ghost batch normalization: statistics of small parts of a batch in place of the whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class GhostBatchNorm(Regularizer):
    """Hoffer et al. 2017, algorithm 1: a batch is normalized in parts of about `size` examples.

    Each part has its own mean and variance, and moves the running statistics in turn, with the
    layer's momentum. Evaluations are those of batch norm.

    Deviates from the paper: a batch that `size` does not divide is cut into parts of equal size,
    the last one smaller, as in the authors' code; sizes are smaller than the paper's 128 of 4,096,
    as batches are.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        chosen = [m for m in model.modules() if type(m) in _GHOSTS]
        if not chosen:
            raise NotApplicable("ghost batch norm needs a model with batch norm")
        for module in chosen:
            # The same module with another forward pass: parameters and names stay as they are.
            module.__class__ = _GHOSTS[type(module)]
            module.ghost_size = self.size


class _Ghost(nn.modules.batchnorm._BatchNorm):
    ghost_size: int

    def forward(self, inputs: Tensor) -> Tensor:
        parts = max(1, len(inputs) // self.ghost_size)
        if not self.training or parts == 1:
            return super().forward(inputs)
        return torch.cat([super(_Ghost, self).forward(part) for part in inputs.chunk(parts)])


class _Ghost1d(_Ghost, nn.BatchNorm1d):
    pass


class _Ghost2d(_Ghost, nn.BatchNorm2d):
    pass


class _Ghost3d(_Ghost, nn.BatchNorm3d):
    pass


_GHOSTS = {nn.BatchNorm1d: _Ghost1d, nn.BatchNorm2d: _Ghost2d, nn.BatchNorm3d: _Ghost3d}


regularizer(
    "ghost_batchnorm",
    GhostBatchNorm,
    summary="Normalizes the parts of a batch by their own statistics.",
    paper="Hoffer et al. 2017, Train longer, generalize better: closing the generalization gap in "
    "large batch training of neural networks",
    url="https://arxiv.org/abs/1705.08741",
    search={"size": search.choice(8, 16, 32, 64, 128, 256, default=32)},
    claims=[
        Claim(
            says="Ghost batch norm decreases the generalization gap of large batches.",
            task="large_batch",
            method="sgd+ghost_batchnorm",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: significant decrease in the generalization gap "
            "without more updates; the README has CIFAR-10, ResNet-44, batch 2,048 in parts "
            "of 256",
            place="abstract and README of eladhoffer/bigBatch",
        ),
        Claim(
            says="It does so on small images of digits, too.",
            task="digits_batchnorm",
            method="adamw+ghost_batchnorm",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number: the README has MNIST, network F1, batch 4,096 in parts of 128",
            place="abstract and README of eladhoffer/bigBatch",
        ),
    ],
)
