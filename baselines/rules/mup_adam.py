"""The maximal update parametrization: Adam's best learning rate stays as layers grow wider."""

from __future__ import annotations

from suite import Size, rule


def mup_adam(size: Size, base: Size) -> float:
    """The best rate does not change with the width, whatever the widths are.

    The per-layer rates and first weights are those of the optimizer `mup_adam`.

    Deviates from the paper: widths are small, and the rule is of the limit of wide layers.
    """
    return 1.0


rule(
    "mup_adam",
    mup_adam,
    summary="In the maximal update parametrization Adam's best rate is the same at every width.",
    paper="Yang and Littwin 2023, Tensor Programs IVb: Adaptive Optimization in the Infinite-Width "
    "Limit",
    url="https://arxiv.org/abs/2308.01814",
    place="abstract: the maximal update limit for Adam; the table of Tensor Programs V",
    method="mup_adam",
    hyperparameter="lr",
    bounds=(1e-4, 1e-1),
    sizes=["digits", "digits_wide"],
)
