"""Scion: steps of fixed size in a norm that suits each layer, inside a ball of that norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.matrices import Decoupled, Group
from .families.orthogonal import orthogonalized, rms, rms_to_rms

#: the share of the new gradient in the average
ALPHA = 0.1
EPS = 1e-8


class Scion(Decoupled):
    """Pethick et al. 2025, algorithms 1 (unconstrained) and 2 (constrained).

    m <- (1 - a) m + a g,  w <- (1 - lr) w + lr radius lmo(m)   (constrained), or
    w <- w + lr radius lmo(m)   (unconstrained), where -lmo(m) is, by the role of a tensor,

    hidden:     sqrt(rows / columns) NewtonSchulz5(m)          spectral norm, RMS to RMS
    conv:       the same of (out, rest), sqrt(out / in) / kernel
    embedding:  each row divided by its root mean square
    head:       sign(m) / columns
    vectors:    m divided by its root mean square

    Deviates from the paper: weights begin as the task initializes them, not on the ball's
    surface; vectors have a radius of 1 and the head one of its own; on a CPU, and below 128
    rows, matrices are not rounded to bfloat16.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        radius: float,
        head_radius: float,
        constrained: bool,
    ) -> None:
        radii = {"hidden": radius, "conv": radius, "embedding": radius, "head": head_radius}
        groups: dict[str, list[nn.Parameter]] = {}
        for p in parameters:
            groups.setdefault(p.role if p.ndim > 1 and p.role in radii else "vector", []).append(p)
        super().__init__(
            [
                {"params": some, "role": role, "radius": radii.get(role, 1.0)}
                for role, some in groups.items()
            ],
            lr=lr,
            weight_decay=1.0 if constrained else 0.0,
        )

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        averages = self.momentum(parameters, 1 - ALPHA, name="momentum")
        if group["role"] in ("hidden", "conv"):
            steps = orthogonalized(averages)
            torch._foreach_mul_(steps, [rms_to_rms(m) for m in steps])
        elif group["role"] == "embedding":
            steps = [m / (rms(m, -1) + EPS) for m in averages]
        elif group["role"] == "head":
            steps = [m.sgn() / m.shape[1] for m in averages]
        else:
            steps = [m / (rms(m) + EPS) for m in averages]
        torch._foreach_mul_(steps, group["radius"])
        return steps


optimizer(
    "scion",
    Scion,
    summary="Conditional gradient steps in an operator norm chosen by the layer's role.",
    paper="Pethick et al. 2025, Training Deep Learning Models with Norm-Constrained LMOs",
    url="https://arxiv.org/abs/2502.07529",
    search={
        "lr": search.log_uniform(3e-5, 3e-2, default=1e-3),
        "radius": search.log_uniform(1.0, 300.0, default=20.0),
        "head_radius": search.log_uniform(1.0, 3000.0, default=50.0),
        "constrained": search.choice(True, False, default=True),
    },
    claims=[
        Claim(
            says="Scion trains a language model faster than Adam.",
            task="lm_markov_short",
            method="scion",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="significant speedups on nanoGPT without any reliance on Adam; no number",
            place="abstract",
        ),
    ],
)
