"""Stable-SPAM: Adam on gradients that are clipped and normalized by their own history."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.few_passes import adam_step, average_of_squares
from .families.moments import Group, State, TensorByTensor, average


class StableSPAM(TensorByTensor):
    """Huang et al. 2025, algorithm 1: AdaClip, AdaGN and MoRet, before Adam.

    For each tensor, T is the average of max |g| with decay 0.999, corrected for bias; coordinates
    with |g| > T become g / max |g| * T. Then the norm of g is replaced by n / (sqrt(N) + eps),
    where n and N are averages of ||g|| and ||g||^2 with decay gamma1 and gamma2, corrected too.
    Then Adam with betas (0.9, 0.999) and epsilon 1e-8, whose moments, and its count of steps, begin
    anew every `interval` steps.

    Deviates from the paper: nothing. The authors' code takes one step more with the old moments at
    a reset, and lets the corrections of T, n and N begin anew as well; its optional cosine for
    beta1 and gamma1 is left out.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        gamma1: float,
        interval: int,
    ) -> None:
        constants = {"betas": (0.9, 0.999), "gammas": (gamma1, 0.9, 0.999), "eps": 1e-8}
        super().__init__(parameters, lr, weight_decay, interval=interval, **constants)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        (beta1, beta2), t = group["betas"], state["step"]
        gamma1, gamma2, gamma3 = group["gammas"]
        sizes = g.abs()
        largest = sizes.max()
        bound = average(state, "bound", largest, gamma3) / (1 - gamma3**t)
        g = torch.where(sizes > bound, torch.mul(g, bound / largest, out=sizes), g)
        norm = g.norm()
        n = average(state, "norm", norm, gamma1) / (1 - gamma1**t)
        square = average(state, "square", norm.square(), gamma2) / (1 - gamma2**t)
        g = g.mul_(torch.where(norm > 0, n / (square.sqrt() + group["eps"]) / norm, norm))
        since_reset = t % group["interval"] + 1 if t >= group["interval"] else t
        if since_reset == 1 and t > 1:
            state["m"].zero_()
            state["v"].zero_()
        m, v = average(state, "m", g, beta1), average_of_squares(state, "v", g, beta2)
        return adam_step(m, v, group["betas"], group["eps"], since_reset)


optimizer(
    "stable_spam",
    StableSPAM,
    summary="Adam on gradients clipped by their largest value and scaled by their norm so far.",
    paper="Huang et al. 2025, Stable-SPAM: How to Train in 4-Bit More Stably than 16-Bit Adam",
    url="https://arxiv.org/abs/2502.17055",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "gamma1": search.choice(0.7, 0.85, 0.9, default=0.7),
        "interval": search.choice(25, 100, 1000, default=1000),
    },
    claims=[
        Claim(
            says="Stable-SPAM trains language models to a lower loss than SPAM.",
            task="lm_markov_short",
            rival="spam",
            measure="score",
            expect="better",
            number="LLM training in 4 bits: superior to Adam and SPAM",
            place="abstract",
        ),
        Claim(
            says="Stable-SPAM reaches Adam's loss in about half the steps.",
            task="lm_markov_short",
            rival="adam",
            measure="time_to_target",
            expect="better",
            factor=2.0,
            number="LLM training in 4 bits: Adam's loss after about half the training steps",
            place="abstract",
        ),
    ],
)
