"""Grokfast-EMA: the slow part of the gradient, its moving average, is amplified."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, regularizer, search

from .families.slow import SlowGradient


class GrokfastEMA(SlowGradient):
    """Lee et al. 2024, the EMA filter: mu <- alpha mu + (1 - alpha) g, then g <- g + lambda mu.

    As in the authors' implementation, mu starts as the first gradient, so that the first steps
    already have their full size. `amplification` is the paper's lambda.

    Deviates from the paper: mu starts at 0 there.
    """

    def __init__(self, alpha: float, amplification: float) -> None:
        super().__init__(amplification)
        self.alpha = alpha
        self._averages: dict[nn.Parameter, Tensor] = {}

    def _slow(self, p: nn.Parameter, gradient: Tensor) -> Tensor:
        if p not in self._averages:
            self._averages[p] = gradient.clone()
        return self._averages[p].lerp_(gradient, 1 - self.alpha)


regularizer(
    "grokfast_ema",
    GrokfastEMA,
    summary="Adds a multiple of the gradients' moving average to every gradient.",
    paper="Lee et al. 2024, Grokfast: Accelerated Grokking by Amplifying Slow Gradients",
    url="https://arxiv.org/abs/2405.20233",
    search={
        "alpha": search.uniform(0.8, 0.995, default=0.98),
        "amplification": search.log_uniform(0.1, 5.0, default=2.0),
    },
    claims=[
        Claim(
            says="Grokfast-EMA groks modular multiplication many times sooner.",
            task="modular_multiplication_transformer",
            method="adamw+grokfast_ema",
            rival="adam",
            measure="time_to_target",
            expect="better",
            factor=43.84,
            number="39,890 to 910 iterations to 95 %, multiplication mod 97; Adam without weight "
            "decay, with 0.005 beside Grokfast",
            place="README of ironjr/grokfast",
        ),
        Claim(
            says="Grokfast-EMA groks modular multiplication sooner.",
            task="modular_multiplication",
            method="adamw+grokfast_ema",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=43.84,
            number="39,890 to 910 iterations to 95 %, multiplication mod 97; Adam without weight "
            "decay, with 0.005 beside Grokfast",
            place="README of ironjr/grokfast",
        ),
        Claim(
            says="Grokfast hurts on sparse parity.",
            task="sparse_parity",
            method="sgd+grokfast_ema",
            rival="sgd",
            measure="time_to_target",
            expect="worse",
            number="about 12 epochs to 90 % against about 5; 20 bits, 3 of them relevant, batch 1",
            place="findings/exp4_grokfast of cybertronai/SutroYaro",
            source="SutroYaro 2026, cybertronai.github.io/SutroYaro",
        ),
        Claim(
            says="Grokfast-EMA groks images of digits from a large initialization sooner.",
            task="large_init_grok",
            method="adamw+grokfast_ema",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=22.0,
            number="44,022 to 2,001 iterations to 95 %; 1,000 MNIST images, weights 8 times too "
            "large; weight decay 0.01, with 2 beside Grokfast",
            place="README of ironjr/grokfast",
        ),
    ],
)
