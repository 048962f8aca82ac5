"""SPAM: Adam that clips spikes of the gradient and forgets its moments now and then."""

from __future__ import annotations

import math

from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.moments import Group, State, TensorByTensor, average

#: clipping waits for so many steps, from the start and after each reset
PATIENCE = 20


class SPAM(TensorByTensor):
    """Huang et al. 2025, algorithm 1, with momentum of all weights, as in the authors' code.

    A coordinate is a spike where g^2 > threshold * v; there g becomes sign(g) sqrt(threshold * v).
    Then Adam with betas (0.9, 0.999) and epsilon 1e-6. Every `interval` steps m and v become 0, and
    the rate rises again from a hundredth by half a cosine, over 3/10 of the interval (the paper's
    150 of 500). Corrections for bias go on counting from the first step. Clipping waits for 20
    steps, from the start and after each reset, until v is an average of something.

    Deviates from the paper: the memory-saving form, which keeps the moments of random weights only,
    is left out; decoupled decay is taken before the step, by the authors' code after it.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        threshold: float,
        interval: int,
    ) -> None:
        constants = {"betas": (0.9, 0.999), "eps": 1e-6}
        constants.update(threshold=threshold, interval=interval)
        super().__init__(parameters, lr, weight_decay, **constants)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        (beta1, beta2), t, interval = group["betas"], state["step"], group["interval"]
        since_reset = t % interval if t >= interval else t + interval
        if since_reset == 0:
            state["m"].zero_()
            state["v"].zero_()
        if t >= PATIENCE and t % interval >= PATIENCE:
            bound = (group["threshold"] * state["v"]).sqrt_()
            g = g.clamp(-bound, bound)
        m, v = average(state, "m", g, beta1), average(state, "v", g.square(), beta2)
        # sqrt(v) + eps, then the correction: the authors' place for epsilon
        root = v.sqrt().add_(group["eps"])
        scale = math.sqrt(1 - beta2**t) / (1 - beta1**t)
        return (m / root).mul_(scale * _rise(since_reset, round(0.3 * interval)))


def _rise(step: int, steps: int) -> float:
    """The factor of the rate so many steps after a reset."""
    if step >= steps:
        return 1.0
    return 1 - 0.99 * (1 + math.cos(math.pi * step / (steps + 1))) / 2


optimizer(
    "spam",
    SPAM,
    summary="Adam with spikes clipped by the second moment and moments that begin anew.",
    paper="Huang et al. 2025, SPAM: Spike-Aware Adam with Momentum Reset for Stable LLM Training",
    url="https://arxiv.org/abs/2501.06842",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "threshold": search.log_uniform(50.0, 50_000.0, default=5_000.0),
        "interval": search.choice(25, 100, 500, default=500),
    },
    claims=[
        Claim(
            says="SPAM trains language models to a lower loss than Adam.",
            task="lm_markov_short",
            rival="adam",
            measure="score",
            expect="better",
            number="LLM pre-training from 60 M to 1 B: consistently surpasses Adam and its "
            "variants; no number",
            place="abstract",
        ),
        Claim(
            says="SPAM trains language models to a lower loss than Adam-mini.",
            task="lm_markov_short",
            rival="adam_mini",
            measure="score",
            expect="better",
            number="under memory constraints: outperforms GaLore and Adam-mini; no number",
            place="abstract",
        ),
    ],
)
