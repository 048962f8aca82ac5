"""SGDR: cosine annealing with restarts, each cycle longer than the last."""

import math

from suite import Claim, schedule, search


def sgdr(progress: float, cycles: int, t_mult: int) -> float:
    """Eq. 5 with eta_min = 0: each cycle is `t_mult` times as long as the one before.

    Deviates from the paper: the lengths are shares of the budget and not epochs, so that the last
    cycle ends with it: an interrupted one would be evaluated at a high learning rate.
    """
    lengths = [t_mult**cycle for cycle in range(cycles)]
    since_restart = progress * sum(lengths)
    for length in lengths:
        if since_restart < length:
            return (1 + math.cos(math.pi * since_restart / length)) / 2
        since_restart -= length
    return 0.0


schedule(
    "sgdr",
    sgdr,
    summary="Anneals along cosine cycles that restart, each a multiple as long as the last.",
    paper="Loshchilov and Hutter 2017, SGDR: Stochastic Gradient Descent with Warm Restarts",
    url="https://arxiv.org/abs/1608.03983",
    search={
        "cycles": search.integer(1, 6, default=4),
        "t_mult": search.integer(1, 3, default=2),
    },
    claims=[
        Claim(
            says="Warm restarts improve the anytime performance.",
            task="cifar10_resnet18",
            method="sgd@sgdr",
            rival="sgd@step_decay",
            measure="time_to_target",
            expect="better",
            number="improves the anytime performance; errors of 3.14 % on CIFAR-10 and 16.21 % "
            "on CIFAR-100",
            place="abstract",
        ),
        Claim(
            says="Warm restarts improve the anytime performance.",
            task="digits",
            method="sgd@sgdr",
            rival="sgd",
            measure="score",
            expect="better",
            number="improved anytime performance; the score is the mean over training",
            place="abstract",
        ),
    ],
)
