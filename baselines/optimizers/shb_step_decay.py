"""Stochastic heavy ball with step decay: equal stages, each with a smaller rate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, method, search


class HeavyBall(Optimizer):
    """Pan et al. 2024, algorithm 1: v <- momentum v + lr g, then w <- w - v.

    The rate is inside of v, as in Polyak 1964, so that a lower rate leaves older gradients their
    weight; in torch's SGD it multiplies all of them.

    Deviates from the paper: nothing. The number of stages is a hyperparameter, as in the paper's
    experiments; its theorem takes the logarithm of steps times root of the condition number, and
    momentum from the condition number, which are not known here.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                velocity.mul_(group["momentum"]).add_(p.grad, alpha=group["lr"])
                p.sub_(velocity)
        return loss


def stages_of_equal_length(progress: float, stages: int, decay: float) -> float:
    """The rate of stage number l, counted from 0, is decay^-l."""
    return float(decay ** -min(int(progress * stages), stages - 1))


method(
    "shb_step_decay",
    HeavyBall,
    schedules=[stages_of_equal_length],
    summary="Heavy-ball momentum, with a learning rate that falls by a factor in equal stages.",
    paper="Pan et al. 2024, Accelerated Convergence of Stochastic Heavy Ball Method under "
    "Anisotropic Gradient Noise",
    url="https://arxiv.org/abs/2312.14567",
    search={
        "lr": search.log_uniform(1e-3, 3.0, default=0.1),
        "momentum": search.choice(0.5, 0.9, 0.95, 0.99, default=0.9),
        "stages": search.integer(2, 6, default=4),
        "decay": search.log_uniform(2.0, 10.0, default=4.0),
    },
    claims=[
        Claim(
            says="Heavy ball with step decay converges faster than SGD without momentum.",
            task="anisotropic_quadratic",
            rival="sgd",
            measure="score",
            expect="better",
            number="the bias term falls faster by the root of the condition number, but for "
            "logarithms",
            place="abstract",
        ),
    ],
)
