"""BEMA: an average of the weights, corrected for its lag behind them."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, Objective, Regularizer, regularizer, search


class BEMA(Regularizer):
    """Block and Zhang 2025, algorithm 1.

    With t the number of steps: b = (lag + t)^-ema_power, a = (lag + t)^-bias_power, the average
    is m <- (1 - b) m + b w, and the model is evaluated with m + a (w - w0). Both begin with the
    initial weights.

    Deviates from the paper: updates come after every step and not after every 400th, since the
    budgets here are shorter; the multiplier of t is 1, and there is no burn-in; batch norm's
    statistics are computed again, since corrected variances could be negative.
    """

    recalibrate = 10
    lag = 10.0

    def __init__(self, ema_power: float, bias_power: float) -> None:
        self.ema_power = ema_power
        self.bias_power = bias_power
        self._steps = 0
        self._first: dict[str, Tensor] = {}
        self._mean: dict[str, Tensor] = {}

    def start(self, model: nn.Module, objective: Objective) -> None:
        named = [*model.named_parameters(), *model.named_buffers()]
        self._first = {name: t.detach().clone() for name, t in named if t.is_floating_point()}
        self._mean = {name: weight.clone() for name, weight in self._first.items()}

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        self._steps += 1
        ema = (self.lag + self._steps) ** -self.ema_power
        bias = (self.lag + self._steps) ** -self.bias_power
        corrected = {}
        for name, weight in weights.items():
            mean = self._mean[name].lerp_(weight, ema)
            corrected[name] = mean + bias * (weight - self._first[name])
        return corrected


regularizer(
    "bema",
    BEMA,
    summary="Evaluates a moving average of the weights plus a correction of its lag.",
    paper="Block and Zhang 2025, EMA Without the Lag: Bias-Corrected Iterate Averaging Schemes",
    url="https://arxiv.org/abs/2508.00180",
    search={
        "ema_power": search.uniform(0.2, 0.9, default=0.5),
        "bias_power": search.uniform(0.0, 0.9, default=0.2),
    },
    claims=[
        Claim(
            says="BEMA converges faster than a moving average without correction.",
            task="sgd_ema_linreg",
            method="sgd+bema",
            rival="sgd+iterate_ema",
            measure="score",
            expect="better",
            number="a simple theoretical model: provable acceleration over a standard EMA and "
            "vanilla training",
            place="abstract",
        ),
        Claim(
            says="BEMA ends better than EMA in language models.",
            task="lm_markov_short",
            method="adamw+bema",
            rival="adamw+iterate_ema",
            measure="score",
            expect="better",
            number="language models: significantly better convergence and final performance "
            "than EMA; no number",
            place="abstract",
        ),
        Claim(
            says="A bias-corrected average is better than the last weights.",
            task="lm_markov_short",
            method="adamw+bema",
            rival="adamw",
            measure="score",
            expect="better",
            number="significantly improved convergence and final performance over vanilla "
            "training; no number",
            place="abstract",
        ),
    ],
)
