"""Momentum at small rates: SGD with it is SGD without it, at another learning rate."""

from __future__ import annotations

from suite import Size, rule


def momentum_effective_rate(size: Size, base: Size) -> float:
    """SGD with momentum m is SGD with the rate lr / (1 - m), so the best lr goes with 1 - m.

    Deviates from the paper: it compares with SGD without momentum; the base has a momentum of 0.5,
    the least of the search space.
    """
    return (1 - float(size.sets["momentum"])) / (1 - float(base.sets["momentum"]))


rule(
    "momentum_effective_rate",
    momentum_effective_rate,
    summary="The best learning rate of SGD with momentum m is in proportion to 1 - m.",
    paper="Wang et al. 2024, The Marginal Value of Momentum for Small Learning Rate SGD",
    url="https://arxiv.org/abs/2307.15196",
    place="abstract: with and without momentum alike where rates are small and noise dominates",
    method="sgd",
    hyperparameter="lr",
    bounds=(3e-3, 3.0),
    sizes=[
        ("digits_batch_50", {"momentum": 0.5, "nesterov": False}),
        ("digits_batch_50", {"momentum": 0.9, "nesterov": False}),
    ],
)
