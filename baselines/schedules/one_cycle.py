"""One cycle: the learning rate rises and falls once while the momentum falls and rises."""

from suite import Claim, schedule, search

#: the first learning rate, as a share of the maximum
START = 0.04
#: Smith 2018: momentum goes from 0.95 to 0.85 and back
LOWEST_MOMENTUM = 0.85 / 0.95


def one_cycle(progress: float, rise: float, final: float) -> dict[str, float]:
    """A cycle of two straight lines, then a last part with a far smaller learning rate.

    The learning rate rises from 0.04 times its maximum over the share `rise` of the budget, falls
    back over as long a share, and falls to `final` times the maximum in the rest. Momentum falls
    from its value to 0.85 / 0.95 of it and rises again: the range of Smith 2018, arXiv 1803.09820.

    Deviates from the paper: the length of the cycle is a hyperparameter; the first rate is a fixed
    share of the maximum and not found by a range test; the last part falls geometrically.
    """
    if progress >= 2 * rise:
        rest = (progress - 2 * rise) / max(1 - 2 * rise, 1e-9)
        return {"lr": START * (final / START) ** rest, "momentum": 1.0}
    height = 1 - abs(progress - rise) / rise
    return {"lr": START + (1 - START) * height, "momentum": 1 - (1 - LOWEST_MOMENTUM) * height}


schedule(
    "one_cycle",
    one_cycle,
    summary="One cycle of the learning rate, and the opposite one of the momentum.",
    paper="Smith and Topin 2018, Super-Convergence: Very Fast Training of Neural Networks Using "
    "Large Learning Rates",
    url="https://arxiv.org/abs/1708.07120",
    search={
        "rise": search.uniform(0.2, 0.5, default=0.45),
        "final": search.log_uniform(1e-4, 1e-2, default=1e-3),
    },
    claims=[
        Claim(
            says="One cycle with a large rate trains an order of magnitude faster.",
            task="cifar10_mini",
            method="sgd@one_cycle",
            rival="sgd@step_decay",
            measure="time_to_target",
            expect="better",
            factor=10.0,
            number="an order of magnitude faster than with standard training methods",
            place="abstract",
        ),
        Claim(
            says="One cycle with a large rate trains an order of magnitude faster.",
            task="cifar10_resnet18",
            method="sgd@one_cycle",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            factor=10.0,
            number="an order of magnitude faster than with standard training methods",
            place="abstract",
        ),
    ],
)
