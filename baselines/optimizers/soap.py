"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.kronecker import LONGEST, along, gram
from .families.matrices import Decoupled, Group, adam_direction, exact, finite

BETAS = (0.95, 0.95)
EPS = 1e-8


class SOAP(Decoupled):
    """Vyas et al. 2024, algorithm 3, as in the authors' code.

    For every axis i of a tensor with two or more:  H_i <- b2 H_i + (1 - b2) (products of slices of
    g along the axis), with eigenbasis Q_i. Adam's two averages are of the gradient in the bases
    Q_i, and its step is turned back. After every `interval` steps the bases follow: Q_i <- QR of
    H_i Q_i, columns in the order of Q_i' H_i Q_i; the first average turns with them. The first
    gradient only serves to begin the bases. Vectors have Adam.

    Deviates from the paper: axes longer than 1,024 have no basis; weights decay before the step
    instead of after it, and in the first one too. From algorithm 3, as the code does: the order of
    columns, the first step.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, interval: int
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, interval=interval)

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        return [self._direction(p, group["interval"]) for p in parameters]

    def _direction(self, p: nn.Parameter, interval: int) -> Tensor:
        state, g = self.state[p], exact(p.grad)
        axes = [axis for axis, length in enumerate(g.shape) if g.ndim > 1 and length <= LONGEST]
        if "Q" not in state:
            state["H"] = [(1 - BETAS[1]) * gram(g, axis) for axis in axes]
            bases = [torch.linalg.eigh(finite(h)).eigenvectors for h in state["H"]]
            state["Q"] = [q.flip(1).contiguous() for q in bases]
            return torch.zeros_like(p)
        turned = g
        for axis, q in zip(axes, state["Q"], strict=True):
            turned = along(turned, q.mH, axis)
        step = adam_direction(state, turned, BETAS, EPS)
        for axis, q in zip(axes, state["Q"], strict=True):
            step = along(step, q, axis)
        for axis, h in zip(axes, state["H"], strict=True):
            h.lerp_(gram(g, axis), 1 - BETAS[1])
        if state["steps"] % interval == 0:
            for i, axis in enumerate(axes):
                self._follow(state, i, axis)
        return step.to(p.dtype)

    def _follow(self, state: Group, i: int, axis: int) -> None:
        """One step of the power iteration for a basis, with Adam's averages in the new one."""
        h, old = state["H"][i], state["Q"][i]
        product = h @ old
        order = torch.sum(old.conj() * product, 0).real.argsort(descending=True, stable=True)
        new = torch.linalg.qr(finite(product[:, order])).Q
        state["v"] = state["v"].index_select(axis, order)
        state["m"] = along(state["m"], new.mH @ old, axis)
        state["Q"][i] = new


optimizer(
    "soap",
    SOAP,
    summary="Adam in the slowly turning eigenbasis of Shampoo's preconditioner.",
    paper="Vyas et al. 2024, SOAP: Improving and Stabilizing Shampoo using Adam",
    url="https://arxiv.org/abs/2409.11321",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=3e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "interval": search.choice(1, 10, 50, default=10),
    },
    claims=[
        Claim(
            says="SOAP needs over 40 % fewer steps than AdamW.",
            task="lm_markov_short",
            method="soap",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=1.67,
            number="over 40 % fewer iterations in large batches, 360 M and 660 M parameters",
            place="abstract",
        ),
        Claim(
            says="SOAP needs about 20 % fewer steps than Shampoo.",
            task="lm_markov_short",
            method="soap",
            rival="shampoo",
            measure="time_to_target",
            expect="better",
            factor=1.25,
            number="about 20 % fewer iterations in large batches, 360 M and 660 M parameters",
            place="abstract",
        ),
    ],
)
