"""Without the maximal update parametrization: Adam's best learning rate falls with the width."""

from __future__ import annotations

from suite import Size, rule


def standard_width(size: Size, base: Size) -> float:
    """In the standard parametrization the best rate is in proportion to 1 / width.

    Hidden layers, whose rates the maximal update parametrization divides by the width, decide.

    Deviates from the paper: it says that the rate must fall, since hidden layers and head would
    change by more and more otherwise, and gives their order; that the best rate of all layers has
    the same order is taken from it.
    """
    return float(base.width or 1) / float(size.width or 1)


rule(
    "standard_width",
    standard_width,
    summary="With usual initialization Adam's best learning rate falls in proportion to 1 / width.",
    paper="Yang and Littwin 2023, Tensor Programs IVb: Adaptive Optimization in the Infinite-Width "
    "Limit",
    url="https://arxiv.org/abs/2308.01814",
    place="the limits of Adam: updates of order 1 in each layer ask for rates of order 1 / width",
    method="adam",
    hyperparameter="lr",
    bounds=(1e-4, 1e-1),
    sizes=["digits", "digits_wide"],
)
