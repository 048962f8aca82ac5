"""Sophia-G: clipped steps, preconditioned by a sampled diagonal of the Gauss-Newton matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, optimizer, search


class SophiaG(Optimizer):
    """Liu et al. 2023, Algorithm 3 with the Gauss-Newton-Bartlett estimator of Algorithm 2.

    `interval` is the paper's k, the number of steps between two estimates of the curvature h; an
    estimate costs as much as a gradient. Moments without bias correction, as in the paper.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        gamma: float,
        betas: tuple[float, float] = (0.965, 0.99),
        interval: int = 10,
        eps: float = 1e-12,
    ) -> None:
        groups = {"lr": lr, "weight_decay": weight_decay, "gamma": gamma, "betas": betas}
        # Hooks of the update leave the decay alone.
        super().__init__(parameters, {**groups, "eps": eps, "decoupled_weight_decay": True})
        self._interval = interval
        self._steps = 0

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step; every `interval`-th one, starting with the first, estimates curvature too."""
        if self._steps % self._interval == 0:
            self._estimate_curvature(objective)
        self._steps += 1
        loss = objective()
        for group in self.param_groups:
            beta1, _ = group["betas"]
            for p in self._trained(group):
                momentum, curvature = self.state[p]["momentum"], self.state[p]["curvature"]
                momentum.lerp_(p.grad, 1 - beta1)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                scale = (group["gamma"] * curvature).clamp_(min=group["eps"])
                p.add_((momentum / scale).clamp_(-1, 1), alpha=-group["lr"])
        return loss

    def _estimate_curvature(self, objective: Objective) -> None:
        """Algorithm 2: B times the squared gradient of the mean of B sampled labels' losses."""
        objective.sampled_labels()
        terms = objective.batch[1].numel()
        for group in self.param_groups:
            _, beta2 = group["betas"]
            for p in self._trained(group):
                self.state[p]["curvature"].lerp_(terms * p.grad.square(), 1 - beta2)

    def _trained(self, group: dict) -> list[nn.Parameter]:
        """The group's parameters that have a gradient; their state begins with zeros."""
        trained = [p for p in group["params"] if p.grad is not None]
        for p in trained:
            if not self.state[p]:
                self.state[p] = {
                    "momentum": torch.zeros_like(p),
                    "curvature": torch.zeros_like(p),
                }
        return trained


optimizer(
    "sophia_g",
    SophiaG,
    summary="Clipped steps, scaled by a curvature estimate from labels that the model samples.",
    paper="Liu et al. 2023, Sophia: A Scalable Stochastic Second-order Optimizer for Language "
    "Model Pre-training",
    url="https://arxiv.org/abs/2305.14342",
    search={
        "lr": search.log_uniform(1e-5, 3e-2, default=6e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=0.2),
        "gamma": search.log_uniform(1e-3, 1.0, default=0.05),
    },
    claims=[
        Claim(
            says="Sophia needs half as many steps as AdamW to the same loss of a language model.",
            task="lm_markov",
            rival="adamw",
            measure="time_to_target",
            expect="lower",
            factor=2.0,
            number="2 times fewer steps, GPT-2 of 125M to 770M weights",
            place="abstract",
        ),
    ],
)
