"""Adaptive braking: SGD with momentum that weighs a gradient by its angle to the velocity."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search


class AdaptiveBraking(Optimizer):
    """Venigalla et al. 2020, on SGD with momentum. For each tensor,

    v <- momentum v + (1 - rho cos(g, v)) g   and   w <- w - lr v,

    with the cosine (g . v) / max(||g|| ||v||, 1e-10), and weight decay in g. A gradient along the
    velocity counts less, and one against it more, so that the velocity brakes before it overshoots.

    It is an optimizer and not a transform of gradients, since a task that delivers gradients late,
    as in the paper, delivers them after all transforms.

    Deviates from the paper: nothing that is known. Only the abstract could be read; the rule is
    from memory, and so is that each tensor has its own cosine.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        momentum: float,
        rho: float,
        weight_decay: float,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "rho": rho, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                gradient = p.grad.add(p, alpha=group["weight_decay"])
                if "velocity" not in self.state[p]:
                    self.state[p]["velocity"] = torch.zeros_like(p)
                velocity = self.state[p]["velocity"]
                lengths = gradient.norm() * velocity.norm()
                cosine = (gradient * velocity).sum() / lengths.clamp(min=1e-10)
                velocity.mul_(group["momentum"]).add_(gradient * (1 - group["rho"] * cosine))
                p.sub_(velocity, alpha=group["lr"])
        return loss


optimizer(
    "adaptive_braking",
    AdaptiveBraking,
    summary="SGD with momentum whose gradients count less along the velocity than against it.",
    paper="Venigalla et al. 2020, Adaptive Braking for Mitigating Gradient Delay",
    url="https://arxiv.org/abs/2007.01397",
    search={
        "lr": search.log_uniform(1e-3, 3.0, default=0.1),
        "momentum": search.uniform(0.5, 0.99, default=0.9),
        "rho": search.uniform(0.0, 3.0, default=2.0),
        "weight_decay": search.log_uniform(1e-5, 1e-2, default=5e-4),
    },
    claims=[
        Claim(
            says="Braking on top of SGD with momentum trains with delayed gradients "
            "almost as without delay.",
            task="gradient_delay",
            method="adaptive_braking",
            rival="sgd",
            measure="score",
            expect="better",
            number="delays of 32 update steps and more with minimal drop in final test "
            "accuracy, ResNets on CIFAR-10 and ImageNet",
            place="abstract",
        ),
        Claim(
            says="Braking on top of SGD with momentum trains with delayed gradients "
            "almost as without delay.",
            task="gradient_delay_mini",
            method="adaptive_braking",
            rival="sgd",
            measure="score",
            expect="better",
            number="delays of 32 update steps and more with minimal drop in final test "
            "accuracy, ResNets on CIFAR-10 and ImageNet",
            place="abstract",
        ),
    ],
)
