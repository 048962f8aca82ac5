"""Past extra-gradient: the gradient is taken where the last gradient points to."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Objective, optimizer, search

from .families.tensors import trained


class PastExtragradient(Optimizer):
    """Hsieh et al. 2019, section 3, past extra-gradient (PEG) without a constraint.

    g' <- the gradient at w - lr g', with the g' of the step before (0 at first), and then
    w <- w - lr g'. Without a constraint the paper's two other methods, reflected gradient (RG) and
    optimistic gradient (OG), take the same steps; as OG the points w - lr g' move by
    -lr (2 g' - g'').

    Deviates from the paper: nothing.
    """

    def __init__(self, params: list[nn.Parameter], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        weights = {}
        for group in self.param_groups:
            for p in group["params"]:
                if "past" in self.state[p]:
                    weights[p] = p.clone()
                    p.sub_(self.state[p]["past"], alpha=group["lr"])
        loss = objective()
        for p, old in weights.items():
            p.copy_(old)
        for p, group, state in trained(self):
            p.sub_(p.grad, alpha=group["lr"])
            state["past"] = p.grad.clone()
        return loss


optimizer(
    "optimistic_gradient",
    PastExtragradient,
    summary="Descent with gradients at the point that the last gradient foresees.",
    paper="Hsieh et al. 2019, On the convergence of single-call stochastic extra-gradient methods",
    url="https://arxiv.org/abs/1908.08465",
    search={"lr": search.log_uniform(1e-3, 3.0, default=0.1)},
)
