"""Sophia-G: clipped steps, preconditioned by a sampled diagonal of the Gauss-Newton matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, optimizer, search

from .families.moments import average
from .families.tensors import trained


class SophiaG(Optimizer):
    """Liu et al. 2023, Algorithm 3 with the Gauss-Newton-Bartlett estimator of Algorithm 2.

    m <- b1 m + (1 - b1) g. Every `interval` steps (the paper's k), from the first one on,
    h <- b2 h + (1 - b2) B g'^2, where g' is the gradient for labels that the model draws, of which
    there are B; it costs as much as a gradient. Then w <- (1 - lr weight_decay) w and
    w <- w - lr clip(m / max(gamma h, 1e-12), 1). Moments begin at 0 and are not corrected.

    Deviates from the paper: b1 is 0.965, as in the authors' code; the paper has 0.96.
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
        decay = {"decoupled_weight_decay": True}
        super().__init__(parameters, {**groups, **decay, "eps": eps, "interval": interval})

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step; every `interval`-th one, starting with the first, estimates curvature too."""
        loss = objective()
        if not loss.isfinite():
            return loss  # no labels can be drawn: the trial has diverged
        for p, group, state in trained(self):
            average(state, "momentum", p.grad, group["betas"][0])
            state["step"] = state.get("step", 0) + 1
        due = [
            (p, group, state)
            for p, group, state in trained(self)
            if (state["step"] - 1) % group["interval"] == 0
        ]
        if due:
            self._estimate_curvature(objective, due)
        for p, group, state in trained(self):
            p.mul_(1 - group["lr"] * group["weight_decay"])
            scale = (group["gamma"] * state["curvature"]).clamp_(min=group["eps"])
            p.add_((state["momentum"] / scale).clamp_(-1, 1), alpha=-group["lr"])
        return loss

    def _estimate_curvature(self, objective: Objective, due: list) -> None:
        """Algorithm 2: B times the squared gradient of the mean of B sampled labels' losses."""
        gradients = [p.grad for p in objective.parameters]
        objective.sampled_labels()
        terms = objective.batch[1].numel()
        for p, group, state in due:
            drawn = torch.zeros_like(p) if p.grad is None else terms * p.grad.square()
            average(state, "curvature", drawn, group["betas"][1])
        for p, gradient in zip(objective.parameters, gradients, strict=True):
            p.grad = gradient


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
            says="Sophia needs half the steps of AdamW for the same loss of a language model.",
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
            says="Sophia reaches a lower loss of a language model than AdamW.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="better",
            number="GPT of 125 M to 1.5 B weights: the same perplexity with 50 % fewer steps",
            place="abstract",
        ),
    ],
)
