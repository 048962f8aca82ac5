"""DoG: SGD whose rate is the distance walked over the gradients seen."""

from torch import nn

from suite import Claim, optimizer, search

from .families.distance import DistanceOverGradients


def build(params: list[nn.Parameter], lr: float, first: float) -> DistanceOverGradients:
    """Ivgi et al. 2023, DoG, all weights as one vector; see `DistanceOverGradients`.

    `first` is the paper's r_epsilon over 1 + ||x||, and `lr` its c.

    Deviates from the paper: `first` is 1e-4 by default, which the authors recommend for networks
    with batch norm; 1e-6 for others takes more steps than our smallest budgets have. Statistics of
    batch norm are not averaged.
    """
    return DistanceOverGradients([{"params": params}], lr, first)


optimizer(
    "dog",
    build,
    summary="SGD without a tuned rate: distance from the start over gradients.",
    paper="Ivgi et al. 2023, DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule",
    url="https://arxiv.org/abs/2302.12022",
    search={
        "lr": search.log_uniform(0.3, 3.0, default=1.0),
        "first": search.log_uniform(1e-8, 1e-2, default=1e-4),
    },
    claims=[
        Claim(
            says="Without a rate to tune, DoG is close to SGD with a tuned rate.",
            task="digits",
            rival="sgd",
            untuned="method",
            measure="score",
            expect="equal",
            number="close to SGD with a tuned rate, transfer learning in vision and language",
            place="abstract",
        ),
        Claim(
            says="Without a rate to tune, DoG is close to SGD with a tuned rate.",
            task="cifar10_mini",
            rival="sgd",
            untuned="method",
            measure="score",
            expect="equal",
            number="close to SGD with a tuned rate, transfer learning in vision and language",
            place="abstract",
        ),
    ],
)
