"""LDoG: DoG for every tensor by itself."""

from torch import nn

from suite import Claim, optimizer, search

from .families.distance import DistanceOverGradients


def build(params: list[nn.Parameter], lr: float, first: float) -> DistanceOverGradients:
    """Ivgi et al. 2023, L-DoG: DoG's rule in each tensor; see `DistanceOverGradients`.

    Deviates from the paper: `first` is 1e-4 by default, as in `dog`; the averages of batch norm are
    not averaged.
    """
    return DistanceOverGradients([{"params": [p]} for p in params], lr, first)


optimizer(
    "ldog",
    build,
    summary="DoG with a rate for every tensor.",
    paper="Ivgi et al. 2023, DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule",
    url="https://arxiv.org/abs/2302.12022",
    search={
        "lr": search.log_uniform(0.3, 3.0, default=1.0),
        "first": search.log_uniform(1e-8, 1e-2, default=1e-4),
    },
    claims=[
        Claim(
            says="With a rate for each layer, DoG is generally better than tuned SGD.",
            task="digits",
            rival="sgd",
            measure="score",
            expect="better",
            number="fine-tuning of vision and language models",
            place="abstract",
        ),
        Claim(
            says="With a rate for each layer, DoG comes near to tuned Adam.",
            task="mnist1d_short",
            rival="adamw",
            measure="score",
            expect="equal",
            number="fine-tuning of vision and language models",
            place="abstract",
        ),
    ],
)
