"""Hyperball: weights of constant norm, turned by a constant angle in each step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.matrices import Decoupled, Group, adam_direction, is_matrix, with_adamw
from .families.orthogonal import nesterov, orthogonalized

BETAS = (0.9, 0.95)
MOMENTUM = 0.95
EPS = 1e-8


class Hyperball(Decoupled):
    """Wen et al. 2026 around the direction u of Adam or of Muon; R is the norm of w at the start.

    w <- R Norm(w - lr R Norm(u)),  Norm(x) = x / ||x||_F
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, base: str) -> None:
        super().__init__(parameters, lr=lr, base=base)

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        if group["base"] == "muon":
            averages = self.momentum(parameters, MOMENTUM, name="momentum_buffer")
            steps = orthogonalized(nesterov(parameters, averages, MOMENTUM))
        else:
            steps = [adam_direction(self.state[p], p.grad, BETAS, EPS) for p in parameters]
        for p, step in zip(parameters, steps, strict=True):
            radius = self.state[p].setdefault("radius", torch.linalg.vector_norm(p))
            step.mul_(radius / (torch.linalg.vector_norm(step) + EPS**2))
        return steps

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = super().step(closure)
        for p, state in self.state.items():
            if "radius" in state and p.grad is not None:
                p.mul_(state["radius"] / torch.linalg.vector_norm(p))
        return loss


def is_turned(p: nn.Parameter) -> bool:
    """Whether the norm of a parameter is held: a matrix that begins at 0 has none to hold."""
    return is_matrix(p) and bool(p.detach().abs().max() > 0)


def build(parameters: list[nn.Parameter], lr: float, adamw_lr: float, base: str) -> Optimizer:
    """Hyperball for hidden matrices and filters, Adam for the rest, nothing decays.

    Deviates from the paper: matrices that begin at 0 are trained by Adam; in the form with Muon,
    on a CPU, and below 128 rows, matrices are not rounded to bfloat16.
    """
    return with_adamw(
        parameters,
        lambda matrices: Hyperball(matrices, lr, base),
        adamw_lr,
        weight_decay=0.0,
        chosen=is_turned,
        eps=EPS,
    )


optimizer(
    "hyperball",
    build,
    summary="Adam or Muon with weights and steps of constant norm in each matrix.",
    paper="Wen et al. 2026, Fantastic Pretraining Optimizers and Where to Find Them II: Hyperball "
    "Optimization",
    url="https://arxiv.org/abs/2606.16899",
    search={
        "lr": search.log_uniform(1e-3, 0.3, default=0.02),
        "adamw_lr": search.log_uniform(1e-4, 1e-1, default=3e-4),
        "base": search.choice("muon", "adam", default="muon"),
    },
    claims=[
        Claim(
            says="With Hyperball, Muon needs fewer steps than with weight decay.",
            task="lm_markov_short",
            method="hyperball",
            rival="muon",
            measure="time_to_target",
            expect="better",
            factor=1.2,
            number="20 to 30 % token-equivalent speedup over weight decay, Qwen3-style "
            "models up to 1.2 B parameters",
            place="abstract",
        ),
    ],
)
