"""Iterate EMA: the model is evaluated with a moving average of its weights."""

from __future__ import annotations

from torch import Tensor

from suite import Claim, Regularizer, regularizer, search


class IterateEMA(Regularizer):
    """The average is a <- decay a + (1 - decay) w after every step, for evaluation only.

    It is divided by 1 - decay^t, the sum of its factors (Kingma and Ba 2015, section 3),
    so that early evaluations do not depend on the initial weights. Running statistics (buffers of
    floating-point numbers) are averaged like weights: those of the current weights do not fit the
    average.

    Deviates from the paper: the average is updated after every step, and not after every 16th;
    its correction is not in the paper, which begins with the initial weights.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self._steps = 0
        self._average: dict[str, Tensor] = {}

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        self._steps += 1
        # The recursion of the corrected average; its first factor is 1, which copies the weights.
        factor = (1 - self.decay) / (1 - self.decay**self._steps)
        for name, weight in weights.items():
            if self._steps == 1:
                self._average[name] = weight.clone()
            else:
                self._average[name].lerp_(weight, factor)
        return self._average


regularizer(
    "iterate_ema",
    IterateEMA,
    summary="Evaluates an exponential moving average of the weights.",
    paper="Morales-Brotons et al. 2024, Exponential Moving Average of Weights in Deep Learning: "
    "Dynamics and Benefits",
    url="https://arxiv.org/abs/2411.18704",
    search={"decay": search.choice(0.9, 0.96, 0.98, 0.99, 0.995, 0.998, default=0.99)},
    claims=[
        Claim(
            says="The average of the weights generalizes better than the weights.",
            task="noisy_labels_short",
            method="adamw+iterate_ema",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: EMA models generalize better and are more robust to "
            "noisy labels",
            place="abstract",
        ),
        Claim(
            says="As a temporal ensemble at test time, it makes online continual learning with "
            "replay better and much more stable.",
            task="stability_gap_digits",
            method="adamw+experience_replay+iterate_ema",
            rival="adamw+experience_replay",
            measure="score",
            expect="better",
            number="no number in the abstract: an EMA at test time can drastically increase "
            "performance and stability together with several methods from the literature",
            place="abstract",
            source="Soutif-Cormerais, Carta and van de Weijer 2023, Improving Online Continual "
            "Learning Performance and Stability with Temporal Ensembles, "
            "https://arxiv.org/abs/2306.16817",
        ),
        Claim(
            says="It takes the noise of SGD away in autoregressive models.",
            task="lm_markov_short",
            method="adamw+iterate_ema",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: an EMA of iterates is surprisingly effective",
            place="abstract",
            source="Block et al. 2024, Butterfly Effects of SGD Noise: Error Amplification in "
            "Behavior Cloning and Autoregression, https://arxiv.org/abs/2310.11428",
        ),
        Claim(
            says="The variance of SGD with an average is smaller than that of SGD.",
            task="sgd_ema_linreg",
            method="sgd+iterate_ema",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: the variance error with EMA is always smaller than "
            "without averaging",
            place="abstract",
            source="Li and Gu 2025, Understanding SGD with Exponential Moving Average: A Case "
            "Study in Linear Regression, https://arxiv.org/abs/2502.14123",
        ),
        Claim(
            says="Evaluating an average improves the performance of replay in online continual "
            "learning.",
            task="scole_digits",
            method="adamw+experience_replay+iterate_ema",
            rival="adamw+experience_replay",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="no number in the abstract: drastically increases performance together with "
            "several methods",
            place="abstract",
            source="Soutif-Cormerais, Carta and van de Weijer 2023, Improving Online Continual "
            "Learning Performance and Stability with Temporal Ensembles, "
            "https://arxiv.org/abs/2306.16817",
        ),
    ],
)
