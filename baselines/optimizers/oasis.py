"""OASIS: a truncated Hutchinson preconditioner, and a step size from local smoothness."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, optimizer, search

from .families.hutchinson import hessian_diagonal
from .families.tensors import trained


class OASIS(Optimizer):
    """Jahani et al. 2022, algorithm 1, with gradients of batches.

    D <- beta2 D + (1 - beta2) z * (H z) with z of random signs, and P = max(|D|, alpha). The step
    size is eta <- min(sqrt(1 + theta) eta, ||w - w'||_P / (2 ||g(w) - g(w')||_{1/P})), where w' are
    the weights of the step before and both gradients g are those of the present batch; then
    theta <- eta / (eta before), and w <- w - eta g / P. The first step has the size `eta`.

    Deviates from the paper: D begins with its first estimate, not with the mean of several; `lr`
    multiplies the step, for schedules, and is 1 in the paper.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        eta: float,
        beta2: float,
        alpha: float,
    ) -> None:
        groups = {"lr": lr, "eta": eta, "theta": math.inf, "beta2": beta2, "alpha": alpha}
        super().__init__(params, groups)

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 4 per example, and 1 more from the second step on."""
        loss = objective()
        diagonal = hessian_diagonal(objective)
        some = list(trained(self))
        for p, group, state in some:
            old = state.get("diagonal", diagonal[p])
            state["diagonal"] = diagonal[p].lerp(old, group["beta2"])
        scales = {p: state["diagonal"].abs().clamp_(min=g["alpha"]) for p, g, state in some}
        known = {p: scale for p, scale in scales.items() if "before" in self.state[p]}
        if known:
            self._adapt(objective, known)
        for p, group, state in some:
            state["before"] = p.clone()
            # Not as `alpha`, which must be a finite number of the tensor's type.
            p.sub_(p.grad / scales[p] * (group["lr"] * group["eta"]))
        return loss

    def _adapt(self, objective: Objective, scales: dict[nn.Parameter, Tensor]) -> None:
        now = {p: p.clone() for p in scales}
        for p in scales:
            p.copy_(self.state[p]["before"])
        gradients = dict(zip(objective.parameters, objective.gradient()[1], strict=True))
        moved, changed = 0.0, 0.0
        for p, scale in scales.items():
            moved = moved + (scale * (now[p] - p).square()).sum().double()
            changed = changed + ((p.grad - gradients[p]).square() / scale).sum().double()
            p.copy_(now[p])
        local = float((moved / changed.clamp_(min=1e-60)).sqrt()) / 2
        first = self.param_groups[0]
        eta = min(math.sqrt(1 + first["theta"]) * first["eta"], local)
        # Where nothing moved, as at a rate of 0, there is nothing to learn from.
        eta = eta if 0 < eta < math.inf else first["eta"]
        theta = eta / first["eta"]
        for group in self.param_groups:
            group["eta"], group["theta"] = eta, theta


optimizer(
    "oasis",
    OASIS,
    summary="Gradients over a truncated Hutchinson diagonal, with a step size that sets itself.",
    paper="Jahani et al. 2022, Doubly Adaptive Scaled Algorithm for Machine Learning Using "
    "Second-Order Information",
    url="https://arxiv.org/abs/2109.05198",
    search={
        "lr": search.log_uniform(0.1, 10.0, default=1.0),
        "eta": search.log_uniform(1e-4, 1.0, default=1e-2),
        "beta2": search.choice(0.95, 0.99, 0.999, default=0.99),
        "alpha": search.log_uniform(1e-5, 1.0, default=1e-1),
    },
    claims=[
        Claim(
            says="No learning rate needs to be tuned: the tuned factor of the step is near 1.",
            task="digits",
            measure="hyperparameter",
            quantity="lr",
            expect="equal",
            value=1.0,
            number="1: the learning rate is updated without an extra hyperparameter; the paper "
            "gives no number",
            place="abstract",
        ),
        Claim(
            says="OASIS is strong against first-order methods on standard problems.",
            task="separable_logreg",
            rival="adamw",
            measure="score",
            expect="better",
            number="strong against first-order and second-order methods on standard problems; "
            "no number",
            place="abstract",
        ),
    ],
)
