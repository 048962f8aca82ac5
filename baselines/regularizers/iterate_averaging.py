"""Iterate averaging: the model is evaluated with the plain mean of its weights."""

from __future__ import annotations

from torch import Tensor

from suite import Claim, Regularizer, regularizer, search


class IterateAveraging(Regularizer):
    """Polyak and Juditsky 1992: the mean of the weights after all steps, for evaluation only.

    With `start` above 0, tail averaging (Jain et al. 2018): the mean begins with the first step
    after that share of the budget; evaluations before it have the weights of the last step.

    Deviates from the paper: the initial weights are left out, and the last ones included. Batch
    norm's statistics are computed again.
    """

    recalibrate = 10

    def __init__(self, start: float) -> None:
        self.start_at = start
        self._steps = 0
        self._mean: dict[str, Tensor] = {}

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.progress < self.start_at:
            return weights
        self._steps += 1
        for name, weight in weights.items():
            if self._steps == 1:
                self._mean[name] = weight.clone()
            else:
                self._mean[name].lerp_(weight, 1 / self._steps)
        return self._mean


regularizer(
    "iterate_averaging",
    IterateAveraging,
    summary="Evaluates the mean of the weights after all steps, or after the last of them.",
    paper="Polyak and Juditsky 1992, Acceleration of Stochastic Approximation by Averaging",
    url="https://doi.org/10.1137/0330046",
    search={"start": search.choice(0.0, 0.25, 0.5, 0.75, 0.9, default=0.5)},
    claims=[
        Claim(
            says="Averaging takes the variance of the gradients away.",
            task="sgd_ema_linreg",
            method="sgd+iterate_averaging",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number: the average of the iterates converges at the highest possible rate, "
            "proved",
            place="the paper",
            from_memory=True,
        ),
        Claim(
            says="Averaging from the beginning keeps the start longer than a moving average "
            "does, whose bias decays exponentially.",
            task="sgd_ema_linreg",
            method="sgd+iterate_ema",
            rival="sgd+iterate_averaging",
            measure="score",
            expect="better",
            number="no number in the abstract: with an EMA the bias error decays exponentially in "
            "every eigen-subspace of the data covariance, unlike with averaging from the "
            "beginning",
            place="abstract",
            source="Li and Gu 2025, Understanding SGD with Exponential Moving Average: A Case "
            "Study in Linear Regression, https://arxiv.org/abs/2502.14123",
        ),
    ],
)
