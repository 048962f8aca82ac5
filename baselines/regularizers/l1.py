"""L1: the sum of the absolute weights, as a penalty or by soft thresholding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, regularizer, search

from .families.weights import WeightPenalty, multiplied


class L1(WeightPenalty):
    """Tibshirani 1996, the Lagrangian form: strength times the sum of |w| is added to the loss.

    `form` "subgradient" adds it to the loss, whose gradient is strength sign(w), 0 at 0. "proximal"
    leaves the loss and, after every step with rate lr, sets each weight to
    sign(w) max(|w| - lr strength, 0) (Beck and Teboulle 2009, ISTA, eq. 1.5): weights become 0.
    Biases and the parameters of normalizations are left out, as the intercept is in the paper.

    Deviates from the paper: the problem is solved by the optimizer's steps and not as a quadratic
    program. The proximal step is the one for steepest descent, whatever the optimizer is.
    """

    _chosen = staticmethod(multiplied)

    def __init__(self, strength: float, form: str) -> None:
        super().__init__(strength)
        self.form = form

    def penalty(self, model: nn.Module) -> Tensor | float:
        return super().penalty(model) if self.form == "subgradient" else 0.0

    def _term(self, name: str, w: Tensor) -> Tensor:
        return w.abs().sum()

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self.form == "subgradient" or not self.strength:
            return
        for group in optimizer.param_groups:
            for p in group["params"]:
                if multiplied(p):
                    p.copy_(torch.sign(p) * (p.abs() - group["lr"] * self.strength).clamp(min=0))


regularizer(
    "l1",
    L1,
    summary="Adds the sum of the absolute weights to the loss, or thresholds weights softly.",
    paper="Tibshirani 1996, Regression Shrinkage and Selection via the Lasso",
    url="https://doi.org/10.1111/j.2517-6161.1996.tb02080.x",
    search={
        "strength": search.log_uniform(1e-7, 1e-2, default=1e-5),
        "form": search.choice("subgradient", "proximal", default="subgradient"),
    },
    claims=[
        Claim(
            says="An L1 penalty finds sparse regression weights where least squares does not.",
            task="diagonal_linear_net",
            method="adamw+l1",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number: simulated regressions with sparse effects, a smaller median squared "
            "error than that of least squares",
            place="the paper",
            from_memory=True,
        ),
    ],
)
