"""The square root rule for Adam: the best learning rate grows with the root of the batch."""

from __future__ import annotations

import math

from suite import Size, rule


def adam_square_root(size: Size, base: Size) -> float:
    """When the batch grows by k, the learning rate grows by sqrt(k), at as many examples.

    Deviates from the paper: its rule also multiplies 1 - beta1 and 1 - beta2 by k, and divides
    epsilon by sqrt(k); here they keep their defaults, which is how the rule is mostly used.
    """
    return math.sqrt(size.batch_size / base.batch_size)


rule(
    "adam_square_root",
    adam_square_root,
    summary="Adam's best learning rate grows with the square root of the batch.",
    paper="Malladi et al. 2022, On the SDEs and Scaling Rules for Adaptive Gradient Algorithms",
    url="https://arxiv.org/abs/2205.10287",
    place="abstract: a square root scaling rule for RMSprop and Adam",
    method="adam",
    hyperparameter="lr",
    bounds=(1e-4, 1e-1),
    sizes=["lm_markov_short", "lm_markov_short_batch_8", "lm_markov_short_batch_128"],
)
