"""Sigmoid: a rise along one logistic curve and a slower fall along another."""

import math

from suite import Claim, schedule, search

#: the paper trains for at most so many epochs; k and w are in epochs
EPOCHS = 100


def sigmoid_lr(progress: float, k: float, s: float, w: float) -> float:
    """Stitsyuk and Choi 2025, equation 24: sigma(k (t - w)) - sigma(k / s (t - s w)).

    t is the epoch, of 100. The rate begins at 0, is 1/2 near epoch w and falls about epoch s w.

    Deviates from the paper: t counts hundredths of the budget, and parts of them.
    """
    t = EPOCHS * progress
    return _sigma(k * (t - w)) - _sigma(k / s * (t - s * w))


def _sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


schedule(
    "sigmoid_lr",
    sigmoid_lr,
    summary="Raises the learning rate along a logistic curve and lowers it along a wider one.",
    paper="Stitsyuk and Choi 2025, xPatch: Dual-Stream Time Series Forecasting with Exponential "
    "Seasonal-Trend Decomposition",
    url="https://arxiv.org/abs/2412.17323",
    search={
        # the authors' values differ with the data set: 0.2 to 0.5, 5 to 12 and 5 to 20
        "k": search.uniform(0.2, 0.5, default=0.5),
        "s": search.uniform(5.0, 12.0, default=10.0),
        "w": search.uniform(5.0, 20.0, default=10.0),
    },
    claims=[
        Claim(
            says="The sigmoid schedule prevents overfitting and improves the result.",
            task="lm_data_constrained_short",
            method="adamw@sigmoid_lr",
            rival="adamw",
            measure="score",
            expect="better",
            number="with an arctangent loss: prevents overfitting and boosts forecasting; no "
            "number",
            place="abstract",
        ),
    ],
)
