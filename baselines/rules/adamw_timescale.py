"""The timescale of AdamW: the best weight decay grows with the batch."""

from __future__ import annotations

from suite import Size, rule


def adamw_timescale(size: Size, base: Size) -> float:
    """AdamW's timescale B / (lr weight_decay D) stays, so weight decay is in proportion to B.

    B is the batch and D the examples of the run, of which there are as many at each size; the
    learning rate is held, too. In steps the timescale is 1 / (lr weight_decay): the average of
    updates that AdamW's weights are reaches over the same share of the run.

    Deviates from the paper: the sizes read one set of examples several times; the learning rate is
    constant, and not tuned at each size.
    """
    return (size.batch_size / size.budget) / (base.batch_size / base.budget)


RATE = {"lr": 0.01}

rule(
    "adamw_timescale",
    adamw_timescale,
    summary="AdamW's best weight decay is in proportion to the batch, at as many examples.",
    paper="Bergsma et al. 2025, Power Lines: Scaling Laws for Weight Decay and Batch Size in LLM "
    "Pre-training",
    url="https://arxiv.org/abs/2505.13738",
    place="abstract",
    method="adamw",
    hyperparameter="weight_decay",
    bounds=(1e-2, 10.0),
    sizes=[
        ("lm_data_constrained_short", RATE),
        ("lm_data_constrained_short_batch_8", RATE),
        ("lm_data_constrained_short_batch_128", RATE),
    ],
)
