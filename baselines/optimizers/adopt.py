"""ADOPT: normalizes by the second moment of the steps before, then averages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.moments import Group, State, TensorByTensor, average


class ADOPT(TensorByTensor):
    """Taniguchi et al. 2024, algorithm 2, the clipped form, with decoupled weight decay.

    v_0 = g_0^2, and no step. For t = 1, 2, ...: u = g / max(sqrt(v), 1e-6), clipped to t^(1/4) in
    every coordinate; m <- 0.9 m + 0.1 u, from 0; w <- w - lr * m; v <- b2 v + (1 - b2) g^2.

    Deviates from the paper: nothing. Libraries clip at the number of calls, which is t + 1; an
    older form of the authors' code raised the bound of sqrt(v) at first instead of clipping.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, beta2: float
    ) -> None:
        super().__init__(parameters, lr, weight_decay, betas=(0.9, beta2), eps=1e-6)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        beta1, beta2 = group["betas"]
        t = state["step"] - 1
        if t == 0:
            state["v"] = g.square()
            return torch.zeros_like(g)
        v, bound = state["v"], t**0.25
        u = (g / v.sqrt().clamp_(min=group["eps"])).clamp_(-bound, bound)
        v.lerp_(g.square(), 1 - beta2)
        return average(state, "m", u, beta1)


optimizer(
    "adopt",
    ADOPT,
    summary="Momentum of gradients that are divided by the root of earlier squared gradients.",
    paper="Taniguchi et al. 2024, ADOPT: Modified Adam Can Converge with Any beta2 with the "
    "Optimal Rate",
    url="https://arxiv.org/abs/2411.02853",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "beta2": search.choice(0.99, 0.999, 0.9999, default=0.9999),
    },
    claims=[
        Claim(
            says="ADOPT converges where Adam does not, whatever beta2 is.",
            task="adam_counterexample",
            rival="adam",
            measure="score",
            expect="better",
            number="optimal rate with any beta2; Adam does not converge unless beta2 fits "
            "the problem",
            place="abstract",
        ),
        Claim(
            says="ADOPT is better than Adam in image classification.",
            task="cifar10_resnet18",
            rival="adam",
            measure="score",
            expect="better",
            number="superior results in classification, generation, language and control; "
            "no number in the abstract",
            place="abstract",
        ),
    ],
)
