"""Ranger21: AdamW with eight additions from other papers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, TaskInfo, optimizer, search

from .families.moments import average
from .families.tensors import evaluated, trained

#: the paper's settings
BETA0, BETA1, BETA2, EPS = 0.9, 0.9, 0.999, 1e-8
CLIP, CLIP_EPS = 1e-2, 1e-3
NORM_LOSS = 1e-4
WARM_UP, WARM_DOWN = 0.22, 0.28
LOOKAHEAD_STEPS, LOOKAHEAD_SHARE = 5, 0.5


class Ranger21(Optimizer):
    """Wright and Demeure 2021, algorithm 1, a step t of T.

    - Adaptive gradient clipping: the norm of a unit's gradient (a row, or a vector) is at most 0.01
      times that of its weights, or of 1e-3.
    - Gradient centralization: each row of a gradient has the mean 0.
    - Positive-negative momentum: m_t <- b1^2 m_{t-2} + (1 - b1^2) g; n = ((1 + b0) m_t - b0
      m_{t-1}) / sqrt((1 + b0)^2 + b0^2) / (1 - b1^t).
    - The denominator of AMSGrad: v <- b2 v + (1 - b2) g^2; u <- max(u, v); the step is
      n / (sqrt(u / (1 - b2^t)) + 1e-8).
    - Warm-up, explore and exploit: the rate is lr * min(1, max((1 - b2) t / 2, t / (0.22 T)),
      (T + 1 - t) / (0.28 T)).
    - Stable weight decay: w <- w (1 - rate * weight_decay / root of the mean of v / (1 - b2^t)),
      the mean being over all weights.
    - Norm loss: for rows, w <- w (1 - rate * 2e-4 * (1 - 1 / ||w||)).
    - Lookahead: every 5 steps, w and the slow weights become their mean.

    Deviates from the paper: T + 1 instead of T, so that no step has a rate of 0. Both kinds of
    decay are those of the authors' code, which applies them to one tensor of a group only; what it
    has got since, a softplus of the denominator and normalized gradients, is left out, and b0 is
    the paper's 0.9, which the code takes for 1.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, info: TaskInfo
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self._steps = info.steps

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        found = list(trained(self))
        for p, _, state in found:
            if not state:
                state["step"], state["slow"] = 0, p.clone()
                for name in ("m", "m of the step before", "u"):
                    state[name] = torch.zeros_like(p)
            state["step"] += 1
            older = state["m of the step before"]
            state["m of the step before"] = state["m"]
            g = _centralized(_clipped(p))
            state["m"] = older.lerp_(g, 1 - BETA1**2)
            average(state, "v", g.square(), BETA2)
        if not found:
            return loss
        total = sum(s["v"].sum() / (1 - BETA2 ** s["step"]) for *_, s in found)
        root_mean = (total / sum(p.numel() for p, *_ in found)).sqrt().clamp(min=EPS)
        for p, group, state in found:
            t, m, before = state["step"], state["m"], state["m of the step before"]
            rate = group["lr"] * _schedule(t, self._steps)
            p.mul_(1 - rate * group["weight_decay"] / root_mean)
            if p.ndim > 1:
                p.mul_(1 - rate * 2 * NORM_LOSS * (1 - 1 / (_unit_norms(p) + EPS)))
            n = ((1 + BETA0) * m - BETA0 * before) / ((1 + BETA0) ** 2 + BETA0**2) ** 0.5
            u = torch.maximum(state["u"], state["v"], out=state["u"])
            root = (u / (1 - BETA2**t)).sqrt_().add_(EPS)
            p.sub_(n.div_(root), alpha=rate / (1 - BETA1**t))
            if t % LOOKAHEAD_STEPS == 0:
                p.copy_(state["slow"].lerp_(p, LOOKAHEAD_SHARE))
        return loss


def _schedule(t: int, steps: int) -> float:
    rise = max((1 - BETA2) * t / 2, t / (WARM_UP * steps))
    return max(0.0, min(1.0, rise, (steps + 1 - t) / (WARM_DOWN * steps)))


def _unit_norms(x: Tensor) -> Tensor:
    """The norm of each row, or of a vector."""
    return x.norm() if x.ndim < 2 else x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))


def _clipped(p: nn.Parameter) -> Tensor:
    longest = CLIP * _unit_norms(p).clamp(min=CLIP_EPS)
    return p.grad * (longest / _unit_norms(p.grad).clamp(min=1e-6)).clamp(max=1)


def _centralized(g: Tensor) -> Tensor:
    return g if g.ndim < 2 else g - g.mean(tuple(range(1, g.ndim)), keepdim=True)


optimizer(
    "ranger21",
    Ranger21,
    summary="AdamW with clipped and centralized gradients, norm loss, a schedule and lookahead.",
    paper="Wright and Demeure 2021, Ranger21: a synergistic deep learning optimizer",
    url="https://arxiv.org/abs/2106.13731",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-6, 1e-2, default=1e-4),
    },
    claims=[
        Claim(
            says="Ranger21 reaches a higher validation accuracy than AdamW.",
            task="cifar10_resnet18",
            rival="adamw",
            measure="score",
            expect="better",
            number="significantly improved validation accuracy and training speed; no number",
            place="abstract",
        ),
        Claim(
            says="Ranger21 trains faster than AdamW.",
            task="digits",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="significantly improved validation accuracy and training speed; no number",
            place="abstract",
        ),
    ],
)
