"""Constant: the learning rate never changes."""

from suite import schedule


def constant(progress: float) -> float:
    """The factor 1 at any time, to compare tuned schedules with none.

    Deviates from the paper: nothing.
    """
    return 1.0


schedule(
    "constant",
    constant,
    summary="Keeps the learning rate as it is.",
    paper="Bottou, Curtis and Nocedal 2018, Optimization Methods for Large-Scale Machine Learning",
    url="https://arxiv.org/abs/1606.04838",
    search={},
)
