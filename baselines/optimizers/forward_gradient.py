"""Forward gradient: the slope along a random direction, in forward mode, times the direction."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, TaskInfo, optimizer, search


class ForwardGradient(Optimizer):
    """Baydin et al. 2022, algorithm 1: v ~ N(0, I), g = (v' grad f) v, w <- w - lr g.

    The slope v' grad f is exact and comes with the loss from one forward pass: g is an unbiased
    estimate of the gradient.

    Deviates from the paper: its rate decays by e^(-1e-4) a step, which is left to schedules.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, info: TaskInfo) -> None:
        super().__init__(params, {"lr": lr})
        self._generator = info.generator

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 1 per example."""
        direction = []
        for p in objective.parameters:
            drawn = torch.randn(p.shape, generator=self._generator, dtype=p.dtype)
            direction.append(drawn.to(p.device))
        loss, slope = objective.jvp(direction)
        along = dict(zip(objective.parameters, direction, strict=True))
        for group in self.param_groups:
            for p in group["params"]:
                if p in along:
                    p.sub_(slope * along[p], alpha=group["lr"])
        return loss


optimizer(
    "forward_gradient",
    ForwardGradient,
    summary="The exact slope along one random direction, from a forward pass; no backward pass.",
    paper="Baydin et al. 2022, Gradients without Backpropagation",
    url="https://arxiv.org/abs/2202.08587",
    search={"lr": search.log_uniform(1e-6, 1e-1, default=1e-3)},
    claims=[
        Claim(
            says="Forward gradients train up to twice as fast as backpropagation.",
            task="digits",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="up to twice as fast in some cases, in wall-clock time",
            place="abstract",
        ),
    ],
)
