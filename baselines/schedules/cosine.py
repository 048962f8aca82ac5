"""Cosine: half a cosine wave down, after an optional warm-up."""

import math

from suite import schedule, search


def cosine(progress: float, warmup: float, final: float) -> float:
    """Eq. 5 with one cycle, from 1 to `final`; `warmup` is the share of the budget that rises.

    Deviates from the paper: no restart (`sgdr` has them); the paper has no warm-up.
    """
    if progress < warmup:
        return progress / warmup
    wave = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
    return final + (1 - final) * wave


schedule(
    "cosine",
    cosine,
    summary="Anneals the learning rate along half a cosine wave.",
    paper="Loshchilov and Hutter 2017, SGDR: Stochastic Gradient Descent with Warm Restarts",
    url="https://arxiv.org/abs/1608.03983",
    search={
        "warmup": search.uniform(0.0, 0.2, default=0.0),
        "final": search.uniform(0.0, 0.2, default=0.0),
    },
)
