"""SGDW: SGD with momentum, and weight decay that goes past the momentum."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.tensors import evaluated, trained


class SGDW(Optimizer):
    """Loshchilov and Hutter 2019, algorithm 1.

    m <- momentum m + lr g, then w <- w - m - s weight_decay w, where s is the schedule's factor of
    the rate: the decay is not multiplied by the rate itself.

    Deviates from the paper: nothing.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "decoupled_weight_decay": True}
        # The suite and its schedules know a decay of lr times this: divided by the rate, lr times
        # it is the paper's schedule times the decay.
        super().__init__(params, {**defaults, "weight_decay": weight_decay / lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        for p, group, state in trained(self):
            if not state:
                state["momentum"] = torch.zeros_like(p)
            momentum = state["momentum"].mul_(group["momentum"]).add_(p.grad, alpha=group["lr"])
            p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(momentum)
        return loss


optimizer(
    "sgdw",
    SGDW,
    summary="SGD with momentum and decoupled weight decay.",
    paper="Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization",
    url="https://arxiv.org/abs/1711.05101",
    search={
        "lr": search.log_uniform(1e-3, 3.0, default=0.05),
        "momentum": search.uniform(0.5, 0.99, default=0.9),
        "weight_decay": search.log_uniform(1e-6, 1e-2, default=2e-4),
    },
    claims=[
        Claim(
            says="AdamW competes with SGD with momentum and decoupled decay on image "
            "classification.",
            task="cifar10_resnet18",
            rival="adamw",
            measure="score",
            expect="equal",
            number="decoupled decay allows Adam to compete with SGD with momentum; no number",
            place="abstract",
        ),
        Claim(
            says="The best weight decay depends less on the learning rate than with L2 in SGD.",
            task="digits",
            rival="sgd",
            measure="coupling",
            quantity="lr, weight_decay",
            expect="lower",
            number="no number in the abstract: decouples the optimal choice of weight decay factor "
            "from the setting of the learning rate",
            place="abstract; figure 1 for the grid",
        ),
    ],
)
