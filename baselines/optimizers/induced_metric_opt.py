"""Descent in the metric that the loss landscape inherits from the space around it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.tensors import evaluated, norm, trained

MOMENTUM, METRIC_BETA, RMS_BETA, EPSILON = 0.9, 0.1, 0.99, 1e-8


class InducedMetric(Optimizer):
    """Harvey 2025: w <- w - lr (s m / q + weight_decay w).

    m is the gradients' moving average (0.9) over 1 - 0.9^t. The induced metric I + xi g g' divides
    a step by 1 + xi ||g||^2: with n the moving average (0.1, corrected) of the sum of xi g^2 / q,

        form "plain": q = 1, s = 1 / (1 + n)
        form "log":   q = 1, s = L / (L^2 + n), the metric of the logarithm of the loss L
        form "rms":   q = sqrt(v) + 1e-8, s = 1 / (1 + n), with v that of g^2 (0.99, corrected)

    Deviates from the paper: nothing, as far as the authors' code goes.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, weight_decay: float, xi: float, form: str
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "xi": xi, "form": form}
        # Hooks of the update leave the decay alone.
        defaults |= {"count": 0, "metric": None, "decoupled_weight_decay": True}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        moved = [p for p, _, _ in trained(self)]
        if not moved:
            return loss
        first = self.param_groups[0]
        first["count"] += 1
        count, rms = first["count"], first["form"] == "rms"
        scales = {}
        if rms:
            for p, _, state in trained(self):
                square = state.setdefault("square", torch.zeros_like(p))
                square.mul_(RMS_BETA).addcmul_(p.grad, p.grad, value=1 - RMS_BETA)
                scales[p] = (square / (1 - RMS_BETA**count)).sqrt_().add_(EPSILON)
        whitened = (p.grad / scales[p].sqrt() if rms else p.grad for p in moved)
        slope = first["xi"] * norm(whitened) ** 2
        before = 0.0 if first["metric"] is None else first["metric"]
        first["metric"] = METRIC_BETA * before + (1 - METRIC_BETA) * slope
        metric = first["metric"] / (1 - METRIC_BETA**count)
        if first["form"] == "log":
            value = loss.detach()
            shrink = value / (value**2 + metric)
        else:
            shrink = 1 / (1 + metric)
        for p, group, state in trained(self):
            momentum = state.setdefault("momentum", torch.zeros_like(p))
            momentum.lerp_(p.grad, 1 - MOMENTUM)
            step = momentum / (1 - MOMENTUM**count) * shrink.to(p.dtype)
            if rms:
                step.div_(scales[p])
            p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=group["lr"])
        return loss


optimizer(
    "induced_metric_opt",
    InducedMetric,
    summary="Momentum descent, shortened where the loss landscape is steep.",
    paper="Harvey 2025, The Optimiser Hidden in Plain Sight: Training with the Loss Landscape's "
    "Induced Metric",
    url="https://arxiv.org/abs/2509.03594",
    search={
        "lr": search.log_uniform(1e-4, 3.0, default=0.1),
        "weight_decay": search.log_uniform(1e-4, 1.0, default=1e-3),
        "xi": search.log_uniform(1e-3, 10.0, default=0.1),
        "form": search.choice("plain", "log", "rms", default="plain"),
    },
    claims=[
        Claim(
            says="For neural networks there is a slight improvement over SGD.",
            task="digits",
            rival="sgd",
            measure="score",
            expect="better",
            number="slight improvement over SGD, Adam, AdamW and Muon for neural networks; "
            "no number in the abstract",
            place="abstract",
        ),
        Claim(
            says="For neural networks there is a slight improvement over AdamW.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="better",
            number="slight improvement over SGD, Adam, AdamW and Muon for neural networks; "
            "no number in the abstract",
            place="abstract",
        ),
    ],
)
