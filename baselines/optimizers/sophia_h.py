"""Sophia-H: clipped steps, preconditioned by Hutchinson's estimate of the Hessian's diagonal."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, optimizer, search

from .families.hutchinson import gaussian, hessian_diagonal
from .families.tensors import trained

BETA1, BETA2, EPS = 0.96, 0.99, 1e-12
#: the paper's k: steps between two estimates of the curvature
INTERVAL = 10


class SophiaH(Optimizer):
    """Liu et al. 2023, algorithm 3 with the Hutchinson estimator of algorithm 1.

    m <- 0.96 m + 0.04 g. Every 10th step, beginning with the first, h <- 0.99 h + 0.01 u * (H u)
    with u standard normal. w <- w - lr weight_decay w - lr clip(m / max(gamma h, eps), 1), so that
    coordinates of negative curvature move by the sign of m. Moments start at 0, uncorrected.

    Deviates from the paper: the estimate uses the whole batch and not a fifteenth of it.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, weight_decay: float, gamma: float
    ) -> None:
        groups = {"lr": lr, "weight_decay": weight_decay, "gamma": gamma, "step": 0}
        # Hooks of the update leave the decay alone.
        super().__init__(params, {**groups, "decoupled_weight_decay": True})

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step; every tenth one, starting with the first, costs 3 more per example."""
        loss = objective()
        estimated = self.param_groups[0]["step"] % INTERVAL == 0
        found = hessian_diagonal(objective, gaussian) if estimated else {}
        for group in self.param_groups:
            group["step"] += 1
        for p, group, state in trained(self):
            if not state:
                state["momentum"], state["curvature"] = torch.zeros_like(p), torch.zeros_like(p)
            momentum, curvature = state["momentum"], state["curvature"]
            momentum.lerp_(p.grad, 1 - BETA1)
            if estimated:
                curvature.lerp_(found[p], 1 - BETA2)
            p.mul_(1 - group["lr"] * group["weight_decay"])
            scale = (group["gamma"] * curvature).clamp_(min=EPS)
            p.sub_((momentum / scale).clamp_(-1, 1), alpha=group["lr"])
        return loss


optimizer(
    "sophia_h",
    SophiaH,
    summary="Clipped steps, scaled by the Hessian's diagonal as random products estimate it.",
    paper="Liu et al. 2023, Sophia: A Scalable Stochastic Second-order Optimizer for Language "
    "Model Pre-training",
    url="https://arxiv.org/abs/2305.14342",
    search={
        "lr": search.log_uniform(1e-5, 3e-2, default=6e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=0.2),
        "gamma": search.log_uniform(1e-3, 1.0, default=0.01),
    },
    claims=[
        Claim(
            says="Sophia reaches AdamW's loss in half of the steps.",
            task="lm_markov_short",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=2.0,
            number="GPT of 125 M to 1.5 B weights: the same perplexity with 50 % fewer steps, "
            "less compute and time",
            place="abstract",
        ),
        Claim(
            says="Sophia reaches AdamW's loss in half of the steps.",
            task="lm_fineweb_30m",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=2.0,
            number="GPT of 125 M to 1.5 B weights: the same perplexity with 50 % fewer steps, "
            "less compute and time",
            place="abstract",
        ),
    ],
)
