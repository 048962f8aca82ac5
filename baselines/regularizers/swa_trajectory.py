"""SWA along the trajectory: the model is evaluated with the mean over the last whole window."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, Regularizer, TaskInfo, regularizer, search


class TrajectorySWA(Regularizer):
    """Hägele et al. 2024, section 5: the weights of consecutive windows are averaged uniformly.

    A window has 500 steps there, here a share of the budget. Each evaluation has the mean of the
    latest whole window, at any place of the trajectory, in place of a decay of the learning rate
    for each length of training; before the end of the first one, the mean so far.

    Deviates from the paper: the window is a share of the budget; batch norm's statistics are
    computed again.
    """

    recalibrate = 10

    def __init__(self, window: float) -> None:
        self.window = window
        self._steps = 0
        self._whole: dict[str, Tensor] = {}
        self._mean: dict[str, Tensor] = {}

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        self._length = max(1, round(self.window * info.steps))

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        place = self._steps % self._length
        self._steps += 1
        for name, weight in weights.items():
            if place == 0:
                self._mean[name] = weight.clone()
            else:
                self._mean[name].lerp_(weight, 1 / (place + 1))
        if place == self._length - 1:
            self._whole, self._mean = self._mean, {}
        return self._whole or self._mean


regularizer(
    "swa_trajectory",
    TrajectorySWA,
    summary="Evaluates the mean of the weights over the last whole window of steps.",
    paper="Hägele et al. 2024, Scaling Laws and Compute-Optimal Training Beyond Fixed Training "
    "Durations",
    url="https://arxiv.org/abs/2405.18392",
    search={"window": search.log_uniform(0.005, 0.3, default=0.05)},
    claims=[
        Claim(
            says="Averages are better than the weights along a trajectory of constant rate.",
            task="lm_markov_short",
            method="adamw+swa_trajectory",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: improved performance along the training trajectory, "
            "without additional cost, across scales",
            place="abstract",
        ),
        Claim(
            says="A cooldown of the learning rate is better still.",
            task="lm_markov_short",
            method="adamw@wsd",
            rival="adamw+swa_trajectory",
            measure="score",
            expect="better",
            number="no number: SWA does not fully close the gap to the cooldown",
            place="the paper",
            from_memory=True,
        ),
    ],
)
