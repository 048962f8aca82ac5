"""TVLARS: LARS at a high rate first, which falls by a sigmoid instead of warming up."""

from __future__ import annotations

import math

from torch import nn

from suite import Claim, TaskInfo, optimizer, search

from .families.trust_ratio import LayerwiseSGD

MOMENTUM, TRUST = 0.9, 1e-3
ALPHA, LEAST = 1.0, 0.01


def build(
    params: list[nn.Parameter],
    lr: float,
    weight_decay: float,
    steepness: float,
    delay: float,
    info: TaskInfo,
) -> LayerwiseSGD:
    """Do et al. 2023, equation of phi: LARS with rates multiplied by a factor of step t.

    phi(t) = 1 / (alpha + exp(lambda (t - d))) + least, with lambda = steepness / steps and
    d = delay steps for the budget's number of steps. See `LayerwiseSGD` for LARS.

    Deviates from the paper: lambda and d are shares of the budget, not numbers of steps; alpha = 1
    and least = 0.01. The authors' code has alpha = 0.1, d = 0, no least rate, norms of at most
    10, and no decay in the denominator of the ratio but that in the gradient's norm.
    """
    steepness, start = steepness / info.steps, delay * info.steps

    def phi(step: int) -> float:
        exponent = min(steepness * (step - start), 700.0)
        return 1 / (ALPHA + math.exp(exponent)) + LEAST

    return LayerwiseSGD(params, lr, MOMENTUM, weight_decay, TRUST, phi)


optimizer(
    "tvlars",
    build,
    summary="LARS whose rate falls from its highest value by a sigmoid of time.",
    paper="Do et al. 2023, Revisiting LARS for Large Batch Training Generalization of Neural "
    "Networks",
    url="https://arxiv.org/abs/2309.14053",
    search={
        "lr": search.log_uniform(0.1, 100.0, default=10.0),
        "weight_decay": search.log_uniform(1e-5, 1e-2, default=5e-4),
        "steepness": search.log_uniform(1.0, 100.0, default=10.0),
        "delay": search.uniform(0.0, 1.0, default=0.5),
    },
    claims=[
        Claim(
            says="TVLARS is better than LARS and LAMB in most cases at large batches.",
            task="large_batch",
            rival="lars",
            measure="score",
            expect="better",
            number="classification: up to 2 % better, in most cases",
            place="abstract",
        ),
        Claim(
            says="TVLARS is better than LARS and LAMB in most cases at large batches.",
            task="large_batch",
            rival="lamb",
            measure="score",
            expect="better",
            number="classification: up to 2 % better, in most cases",
            place="abstract",
        ),
        Claim(
            says="TVLARS is better than LARS in most cases at large batches.",
            task="large_batch_mini",
            rival="lars",
            measure="score",
            expect="better",
            number="classification: up to 2 % better, in most cases",
            place="abstract",
        ),
    ],
)
