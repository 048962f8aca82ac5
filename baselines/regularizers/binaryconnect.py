"""BinaryConnect: the network computes with the signs of its weights, and real weights learn."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Objective, Regularizer, regularizer, search

from .families.elsewhere import evaluate_at


class BinaryConnect(Regularizer):
    """Courbariaux et al. 2015, algorithm 1.

    Forward and backward pass see wb for each matrix and filter: H if w >= 0, otherwise -H, or, if
    `stochastic`, H with the probability clip((w / H + 1) / 2, 0, 1). The gradient at wb moves the
    real w, which is then clipped to [-H, H]. Evaluations see the deterministic wb; after stochastic
    training they see w (section 2.6).

    Deviates from the paper: H is not 1 but the authors' option "Glorot", sqrt(1.5 / (inputs +
    outputs)), so that networks without batch norm can be trained; for Adam that is H = 1 with the
    learning rates that the authors scale by 1/H. The weights begin as the task's, not uniform.
    """

    def __init__(self, stochastic: bool) -> None:
        self.stochastic = stochastic
        #: H of each weight that is binary
        self._sizes: dict[nn.Parameter, float] = {}
        self._names: dict[str, nn.Parameter] = {}

    def start(self, model: nn.Module, objective: Objective) -> None:
        for p in objective.parameters:
            if p.ndim >= 2 and p.role in ("hidden", "conv", "head"):
                filters = p[0][0].numel()
                self._sizes[p] = math.sqrt(1.5 / (filters * (p.shape[0] + p.shape[1])))
        if not self._sizes:
            raise NotApplicable("BinaryConnect makes matrices and filters binary: there are none")
        self._names = {name: p for name, p in model.named_parameters() if p in self._sizes}

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        binary = {p: self._binary(p.detach(), size) for p, size in self._sizes.items()}
        return evaluate_at(binary, evaluate)

    def _binary(self, weight: Tensor, size: float) -> Tensor:
        if self.stochastic:
            above = torch.rand_like(weight) < ((weight / size + 1) / 2).clamp(0, 1)
        else:
            above = weight >= 0
        return above.to(weight.dtype).mul_(2 * size).sub_(size)

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for p, size in self._sizes.items():
            p.clamp_(-size, size)

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.stochastic:
            return {}
        return {
            name: self._binary(weights[name], self._sizes[p]) for name, p in self._names.items()
        }


regularizer(
    "binaryconnect",
    BinaryConnect,
    summary="Computes with the signs of the weights while real weights learn.",
    paper="Courbariaux et al. 2015, BinaryConnect: Training Deep Neural Networks with binary "
    "weights during propagations",
    url="https://arxiv.org/abs/1511.00363",
    search={"stochastic": search.choice(False, True, default=False)},
    claims=[
        Claim(
            says="BinaryConnect acts as a regularizer on CIFAR-10.",
            task="cifar10_airbench",
            method="adamw+binaryconnect",
            rival="adamw",
            measure="score",
            expect="better",
            number="acts as a regularizer; near state-of-the-art results on MNIST, CIFAR-10 "
            "and SVHN; no number",
            place="abstract",
        ),
    ],
)
