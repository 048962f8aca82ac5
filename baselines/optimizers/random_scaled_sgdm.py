"""Exponentiated SGDM: each step of momentum SGD is scaled by an exponential random number."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, TaskInfo, optimizer, search

from .families.tensors import evaluated, trained


class RandomScaledSGDM(Optimizer):
    """Zhang and Cutkosky 2024, exponentiated O2NC with online gradient descent.

    m <- momentum m + (1 - momentum) g from m = 0, then w <- w - lr s m, with one s of the
    exponential distribution with mean 1 for all weights in a step.

    Deviates from the paper: the regularization of the online learner (mu) is part of `momentum`, as
    in the paper's experiments; the last iterate is evaluated, the theorems are about a random one.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, momentum: float, info: TaskInfo
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self._generator = info.generator

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        drawn = torch.empty((), dtype=torch.float64).exponential_(generator=self._generator)
        for p, group, state in trained(self):
            if not state:
                state["momentum"] = torch.zeros_like(p)
            momentum = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
            p.sub_(momentum, alpha=group["lr"] * float(drawn))
        return loss


optimizer(
    "random_scaled_sgdm",
    RandomScaledSGDM,
    summary="SGD with momentum whose steps are scaled by exponential random numbers.",
    paper="Zhang and Cutkosky 2024, Random Scaling and Momentum for Non-smooth Non-convex "
    "Optimization",
    url="https://arxiv.org/abs/2405.09742",
    search={
        "lr": search.log_uniform(1e-2, 30.0, default=1.0),
        "momentum": search.uniform(0.5, 0.99, default=0.9),
    },
    claims=[
        Claim(
            says="Scaling the steps of SGD with momentum by random numbers closes the gap in "
            "theory and does not change what it reaches in practice.",
            task="cifar10_resnet18",
            rival="sgd",
            measure="score",
            expect="equal",
            number="ResNet-18 on CIFAR-10: comparable to SGD with momentum; no number",
            place="experiments",
        ),
    ],
)
