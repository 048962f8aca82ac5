"""Regime adaptation: large batches with as many updates, and rates by the square root."""

from __future__ import annotations

import math

from suite import Size, rule


def regime_adaptation(size: Size, base: Size) -> float:
    """When the batch grows by k, SGD's rate grows by sqrt(k), at as many updates.

    Deviates from the paper: gradients are not clipped, and the rate is constant.
    """
    return math.sqrt(size.batch_size / base.batch_size)


rule(
    "regime_adaptation",
    regime_adaptation,
    summary="SGD's best learning rate grows with the root of the batch, at as many updates.",
    paper="Hoffer, Hubara and Soudry 2017, Train longer, generalize better: closing the "
    "generalization gap in large batch training of neural networks",
    url="https://arxiv.org/abs/1705.08741",
    place="section on the square root rule; the authors' option lr_bb_fix",
    method="sgd",
    hyperparameter="lr",
    bounds=(3e-3, 3.0),
    sizes=["digits_batch_50", "digits_budget_5x"],
)
