"""Grokfast-MA: the slow part of the gradient, the mean over a window, is amplified."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, regularizer, search

from .families.slow import SlowGradient


class GrokfastMA(SlowGradient):
    """Lee et al. 2024, the MA filter: g <- g + lambda (mean of the latest `window` gradients).

    `amplification` is the paper's lambda. Until the window is full, the gradients stay as they are,
    as in the authors' code (`warmup=True`).

    Deviates from the paper: the window is short enough to fill in small tasks, by default 20 steps
    instead of 100.
    """

    def __init__(self, window: int, amplification: float) -> None:
        super().__init__(amplification)
        self.window = window
        #: the gradients in the window, the oldest at the index steps % window once it is full
        self._windows: dict[nn.Parameter, list[Tensor]] = {}
        self._steps: dict[nn.Parameter, int] = {}

    def _slow(self, p: nn.Parameter, gradient: Tensor) -> Tensor | None:
        kept = self._windows.setdefault(p, [])
        step = self._steps.get(p, 0)
        self._steps[p] = step + 1
        if len(kept) < self.window:
            kept.append(gradient.clone())
        else:
            kept[step % self.window].copy_(gradient)
        if len(kept) < self.window:
            return None
        return sum(kept[1:], kept[0]) / self.window


regularizer(
    "grokfast_ma",
    GrokfastMA,
    summary="Adds a multiple of the mean of the latest gradients to every gradient.",
    paper="Lee et al. 2024, Grokfast: Accelerated Grokking by Amplifying Slow Gradients",
    url="https://arxiv.org/abs/2405.20233",
    search={
        "window": search.integer(2, 200, default=20),
        "amplification": search.log_uniform(0.1, 10.0, default=5.0),
    },
    claims=[
        Claim(
            says="Grokfast-MA groks modular multiplication more than 50 times sooner.",
            task="modular_multiplication_transformer",
            method="adamw+grokfast_ma",
            rival="adam",
            measure="time_to_target",
            expect="better",
            factor=50.49,
            number="39,890 to 790 iterations to 95 %, multiplication mod 97; Adam without weight "
            "decay, with 0.01 beside Grokfast",
            place="README of ironjr/grokfast",
        ),
        Claim(
            says="Grokfast-MA groks modular multiplication sooner.",
            task="modular_multiplication",
            method="adamw+grokfast_ma",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=50.49,
            number="39,890 to 790 iterations to 95 %, multiplication mod 97; Adam without weight "
            "decay, with 0.01 beside Grokfast",
            place="README of ironjr/grokfast",
        ),
    ],
)
