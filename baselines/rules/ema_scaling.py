"""The rule for averages of weights: the decay's logarithm is in proportion to the batch."""

from __future__ import annotations

from suite import Size, rule


def ema_scaling(size: Size, base: Size) -> float:
    """When the batch grows by k, the decay r of an average of weights becomes r^k.

    So -ln r, what the average forgets in a step, grows by k, and what it forgets over as many
    examples stays. The optimizer follows its own rule: Adam's learning rates here are in proportion
    to the square root of the batch.

    Deviates from the paper: Adam's betas and epsilon are not scaled.
    """
    return size.batch_size / base.batch_size


rule(
    "ema_scaling",
    ema_scaling,
    summary="The best decay of an average of weights is r^k when the batch grows by k.",
    paper="Busbridge et al. 2023, How to Scale Your EMA",
    url="https://arxiv.org/abs/2307.13813",
    place="abstract; definition of the EMA scaling rule",
    method="adam+iterate_ema",
    hyperparameter="decay",
    quantity="forgetting",
    sizes=[
        ("lm_markov_short_batch_8", {"lr": 0.01}),
        ("lm_markov_short_batch_16", {"lr": 0.0141}),
    ],
)
