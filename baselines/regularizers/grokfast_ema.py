"""Grokfast-EMA: the slow part of the gradient is amplified."""

from torch import Tensor, nn

from suite import Claim, Regularizer, regularizer, search


class GrokfastEMA(Regularizer):
    """The filter is mu <- alpha mu + (1 - alpha) g, then g <- g + lambda mu.

    As in the authors' implementation, mu starts as the first gradient, so that the first steps
    already have their full size. `amplification` is the paper's lambda.
    """

    def __init__(self, alpha: float, amplification: float) -> None:
        self.alpha = alpha
        self.amplification = amplification
        self._slow: dict[nn.Parameter, Tensor] = {}

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        for p in parameters:
            if p.grad is None:
                continue
            if p not in self._slow:
                self._slow[p] = p.grad.clone()
            slow = self._slow[p].lerp_(p.grad, 1 - self.alpha)
            p.grad.add_(slow, alpha=self.amplification)


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
            says="Amplified slow gradients make the transformer grok products mod 97 more "
            "than 40 times sooner.",
            task="modular_multiplication",
            rival="adamw",
            measure="time_to_target",
            expect="lower",
            factor=43.84,
            number="39,890 to 910 steps, 43.84 times, x * y mod 97 with half of the table",
            place="README",
        ),
        Claim(
            says="Grokking is accelerated more than 50 times.",
            task="modular_addition",
            rival="adamw",
            measure="time_to_target",
            expect="lower",
            factor=50.0,
            number="more than 50 times fewer steps",
            place="abstract",
        ),
        Claim(
            says="On sparse parity it is slower than SGD alone.",
            task="sparse_parity",
            method="sgd+grokfast_ema",
            rival="sgd",
            measure="time_to_target",
            expect="higher",
            factor=2.4,
            number="90 % after about 12 epochs against about 5; n 20, k 3, alpha .98, lambda 2",
            place="findings of exp4_grokfast",
            source="cybertronai.github.io/SutroYaro, exp4_grokfast of 2026-03-03",
        ),
    ],
)
