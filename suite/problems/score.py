"""Scores: how one number is read from a run's evaluation curve.

A curve is a list of points in the order they were measured. Scores are pure functions of it, so
that anybody can recompute them from a result file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ScoreKind = Literal["final", "mean", "time_to_target"]
#: the direction of better scores, in Optuna's words
Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Score:
    """How a task's curve becomes one number.

    `kind` is one of
      "final": the metric at the last evaluation;
      "mean": the integral of the metric over the budget, over what was spent (streams);
      "time_to_target": gradient evaluations until the metric holds the target.

    `worst` is the score of a run that diverged, failed or was cut off; no score is worse.
    For "time_to_target" it is two budgets: a run that misses scores budget * (2 - best metric),
    between one and two budgets, so that a near miss differs from a failure (the penalised average
    runtime of solver competitions), and `worst` is therefore set by the budget.
    """

    kind: ScoreKind
    metric: str
    higher_is_better: bool
    worst: float | None = None
    hold: int = 1

    @property
    def unit(self) -> str:
        """What the number counts."""
        return "gradient evaluations" if self.kind == "time_to_target" else self.metric

    def read(
        self, at: Sequence[float], values: Sequence[float], *, target: float, budget: float
    ) -> float:
        """The score of a finished run.

        `at` is in gradient evaluations, `values` the metric at these; `budget` in gradient
        evaluations too. Raises ValueError on an empty curve.
        """
        if not values:
            raise ValueError("a curve without points has no score")
        if self.kind == "time_to_target":
            reached = self.reached(at, values, target=target)
            best = max(0.0, min(1.0, max(values)))
            return reached if reached is not None else budget * (2.0 - best)
        return self.clip(values[-1] if self.kind == "final" else mean_over_budget(at, values))

    def clip(self, value: float) -> float:
        """The value, but no worse than `worst`."""
        if self.worst is None:
            return value
        return max(value, self.worst) if self.higher_is_better else min(value, self.worst)

    def worst_score(self, budget: float) -> float:
        """The score of a run without a usable curve."""
        if self.kind == "time_to_target":
            return 2.0 * budget
        assert self.worst is not None, "a final or mean score declares its worst value"
        return self.worst

    def reached(
        self, at: Sequence[float], values: Sequence[float], *, target: float
    ) -> float | None:
        """Gradient evaluations when the metric first holds the target, or None.

        To hold is to meet the target at `hold` evaluations in a row.
        """
        in_a_row = 0
        for i, value in enumerate(values):
            met = value <= target if self._lower_metric else value >= target
            in_a_row = in_a_row + 1 if met else 0
            if in_a_row == self.hold:
                return at[i - self.hold + 1]
        return None

    @property
    def _lower_metric(self) -> bool:
        return self.kind != "time_to_target" and not self.higher_is_better

    def settled(self, at: Sequence[float], values: Sequence[float], *, target: float) -> bool:
        """Whether the score can no longer change, so that the run may end."""
        if self.kind != "time_to_target":
            return False
        return self.reached(at, values, target=target) is not None


def mean_over_budget(at: Sequence[float], values: Sequence[float]) -> float:
    """The mean of a step function: each value holds from the point before to its own.

    If one step passed over a part, that part has the value from before the step, so that the mean
    does not depend on how training is divided into steps. The value at 0, before training, has no
    weight itself.
    """
    if at[-1] <= 0:
        return values[-1]
    starts = [0.0, *at[:-1]]
    areas = (value * (end - start) for value, start, end in zip(values, starts, at, strict=True))
    return sum(areas) / at[-1]


def final(metric: str, *, higher_is_better: bool, worst: float) -> Score:
    """The metric at the last evaluation.

    `worst` must be worse than the score before training: slow and exploding runs must differ.
    """
    return Score("final", metric, higher_is_better, worst)


def mean(metric: str, *, higher_is_better: bool, worst: float) -> Score:
    """The integral of the metric over the budget, divided by what was spent.

    `worst` must be worse than the score before training: slow and exploding runs must differ.
    """
    return Score("mean", metric, higher_is_better, worst)


def time_to_target(metric: str, *, hold: int) -> Score:
    """Gradient evaluations until the metric, higher being better, holds the target."""
    return Score("time_to_target", metric, higher_is_better=False, hold=hold)
