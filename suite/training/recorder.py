"""The recorder: the curve of a trial, and the scores read from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from suite.problems.task import Task
from suite.results.model import Curve

#: digits kept of every measured number: enough to rank, few enough to keep result files small
DIGITS = 6


class Diverged(Exception):
    """A loss or metric stopped being a finite number."""


class Recorder:
    """The curve so far, and the scores read from it."""

    def __init__(
        self,
        task: Task,
        splits: Sequence[str],
        budget: float,
        report: Callable[[float, float], None],
    ) -> None:
        self._task = task
        self._splits = splits
        self._budget = budget
        self._report = report
        self._at: list[float] = []
        self._seconds: list[float] = []
        self._train_loss: list[float | None] = []
        self._metrics: dict[str, dict[str, list[float]]] = {"validation": {}, "test": {}}

    def add(
        self, spent: float, seconds: float, loss: float | None, metrics: dict[str, dict[str, float]]
    ) -> None:
        """One more evaluation, after `spent` examples; raises Diverged on a number not finite.

        `loss` is that of the last training batch, None before the first.
        """
        at = spent / self._task.batch_size
        finite = loss is None or math.isfinite(loss)
        for found in metrics.values():
            finite = finite and all(map(math.isfinite, found.values()))
        if not finite:
            raise Diverged(f"loss or metric not finite after {at:.0f} gradient evaluations")
        self._at.append(rounded(at))
        self._seconds.append(rounded(seconds))
        self._train_loss.append(None if loss is None else rounded(loss))
        for split, found in metrics.items():
            for name, value in found.items():
                self._metrics[split].setdefault(name, []).append(rounded(value))
        self._report(spent / self._budget, self._values("validation")[-1])

    def settled(self) -> bool:
        """Whether no later evaluation can change a score."""
        score, target = self._task.score, self._task.target
        return all(score.settled(self._at, self._values(s), target=target) for s in self._splits)

    def score(self, split: str, completed: bool) -> float:
        """The score on a split; the worst one for a run that did not complete."""
        score, values = self._task.score, self._values(split)
        budget = self._budget / self._task.batch_size
        if not completed or not values:
            return rounded(score.worst_score(budget))
        return rounded(score.read(self._at, values, target=self._task.target, budget=budget))

    def reached(self, split: str) -> tuple[float | None, float | None]:
        """Gradient evaluations and training seconds when the target was first held, or None."""
        values = self._values(split)
        at = self._task.score.reached(self._at, values, target=self._task.target)
        return at, None if at is None else self._seconds[self._at.index(at)]

    def curve(self) -> Curve:
        """The record of all evaluations."""
        return Curve(
            gradient_evaluations=self._at,
            seconds=self._seconds,
            train_loss=self._train_loss,
            validation=self._metrics["validation"],
            test=self._metrics["test"],
        )

    def _values(self, split: str) -> list[float]:
        return self._metrics[split].get(self._task.score.metric, [])


def rounded(value: float) -> float:
    """A measured number with as many digits as results keep."""
    return float(f"{value:.{DIGITS}g}")
