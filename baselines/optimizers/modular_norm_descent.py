"""Steepest descent without averages, in a norm for each tensor that fits its role."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.matrices import Decoupled, Group
from .families.orthogonal import orthogonalized, rms, rms_to_rms

EPS = 1e-12


class ModularNormDescent(Decoupled):
    """Bernstein and Newhouse 2024, propositions 1 and 5 and section 4.

    w_l <- w_l - lr (sum over tensors k of ||g_k||*) argmax of <g_l, t> over ||t|| = 1

    where ||.||* is the dual norm, <g, argmax>, and the norm is by role

    embedding:  l1 to RMS      argmax: each row divided by its root mean square
    matrices:   RMS to RMS     argmax: sqrt(rows / columns) U V', by Newton-Schulz
    vectors:    RMS            argmax: g divided by its root mean square

    With size "constant" the sum of dual norms is 1, so that steps do not shrink with gradients.

    Deviates from the paper: a decoupled weight decay; all tensors have the same sharpness; filters
    are matrices (out, rest), divided by the size of their kernel; U V' is that of five quintic
    steps, and the dual norm of a matrix is its product with that.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, size: str
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, size=size)

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        steps: list[Tensor] = [p.grad for p in parameters]
        matrices = [i for i, p in enumerate(parameters) if p.ndim > 1 and p.role != "embedding"]
        for i, step in zip(matrices, orthogonalized([steps[i] for i in matrices]), strict=True):
            steps[i] = step * rms_to_rms(step)
        for i, p in enumerate(parameters):
            if i not in matrices:
                steps[i] = p.grad / (rms(p.grad, -1 if p.ndim > 1 else None) + EPS)
        if group["size"] == "dual":
            products = [
                torch.sum(p.grad.conj() * s).real for p, s in zip(parameters, steps, strict=True)
            ]
            torch._foreach_mul_(steps, torch.stack(products).sum())
        return steps


optimizer(
    "modular_norm_descent",
    ModularNormDescent,
    summary="Steepest descent under operator norms chosen by the role of each tensor.",
    paper="Bernstein and Newhouse 2024, Old Optimizer, New Norm: An Anthology",
    url="https://arxiv.org/abs/2409.20325",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=0.02),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "size": search.choice("dual", "constant", default="constant"),
    },
    claims=[
        Claim(
            says="Norms that fit the roles of tensors might make training faster than "
            "one norm for all entries, as Adam has it.",
            task="digits",
            method="modular_norm_descent",
            rival="adamw",
            measure="score",
            expect="better",
            number="a hope: might lead to more stable, scalable and faster training; no "
            "experiment in the abstract",
            place="abstract",
        ),
    ],
)
