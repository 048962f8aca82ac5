"""The recorder: the curve of a trial, and the scores read from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from suite.problems.task import Task
from suite.results.fields import MAX_METRIC, MAX_METRICS, MAX_NAME, MAX_NUMBER, NAME_PATTERN
from suite.results.model import Curve, HeldOut

#: digits kept of every measured number: enough to rank, few enough to keep result files small
DIGITS = 6

#: gradient evaluations, seconds, training loss, metrics by split
_Point = tuple[float, float, float | None, dict[str, dict[str, float]]]


class Diverged(Exception):
    """A loss or metric stopped being a finite number."""


class Recorder:
    """The curve so far, and the scores read from it."""

    def __init__(
        self,
        task: Task,
        splits: Sequence[HeldOut],
        budget: float,
        report: Callable[[float, float], None],
        stop_at: float = 1.0,
    ) -> None:
        self._task = task
        self._splits = splits
        self._budget = budget
        self._report = report
        #: examples after which no more points are wanted; None: all points are
        self._stop_at = None if stop_at >= 1 else stop_at * budget
        #: as they came: they are rounded into columns when somebody reads these
        self._points: list[_Point] = []
        self._at: list[float] = []
        self._seconds: list[float] = []
        self._train_loss: list[float | None] = []
        self._metrics: dict[str, dict[str, list[float]]] = {"validation": {}, "test": {}}
        # Only that kind of score can be known before the end.
        self._may_settle = self._stop_at is not None or task.score.kind == "time_to_target"
        #: no later evaluation can change a score, or none is wanted
        self.settled = False

    @property
    def points(self) -> int:
        """Evaluations so far, the one before the first step included."""
        return len(self._points)

    def add(
        self, spent: float, seconds: float, loss: float | None, metrics: dict[str, dict[str, float]]
    ) -> None:
        """One more evaluation, after `spent` examples.

        `loss` is that of the last training batch, None before the first. Raises Diverged on a
        number that is not finite, ValueError on metrics that a result cannot hold.
        """
        at = spent / self._task.batch_size
        self._check_names(metrics)
        if not self._are_bounded(loss, metrics):
            raise Diverged(f"loss or metric not finite after {at:.0f} gradient evaluations")
        self._points.append((at, seconds, loss, metrics))
        if self._may_settle:
            self.settled = self._find_out_whether_settled()
        self._report(spent / self._budget, rounded(metrics["validation"][self._task.score.metric]))

    def repeat(self, spent: float, seconds: float) -> None:
        """Add an evaluation point that one step passed over: it has the values before the step."""
        _, _, loss, metrics = self._points[-1]
        self._points.append((spent / self._task.batch_size, seconds, loss, metrics))
        if self._may_settle:
            self.settled = self._find_out_whether_settled()

    def _read(self) -> None:
        """Put the points into columns that are not there yet."""
        for at, seconds, loss, metrics in self._points[len(self._at) :]:
            self._at.append(rounded(at))
            self._seconds.append(rounded(seconds))
            self._train_loss.append(None if loss is None else rounded(loss))
            for split, found in metrics.items():
                for name, value in found.items():
                    self._metrics[split].setdefault(name, []).append(rounded(value))

    def _are_bounded(self, loss: float | None, metrics: dict[str, dict[str, float]]) -> bool:
        """As results are; a metric that is not scored may be larger, as a perplexity."""
        scored = self._task.score.metric
        for found in metrics.values():
            for name, value in found.items():
                try:
                    small = abs(value) < (MAX_NUMBER if name == scored else MAX_METRIC)
                except TypeError:
                    small = None
                if small is None or isinstance(value, complex):
                    raise ValueError(
                        f"the metric '{name}' is {value!r}: 'evaluate' and 'summarize' return "
                        "numbers"
                    )
                if not small:
                    return False
        return loss is None or abs(loss) < MAX_NUMBER

    def _check_names(self, metrics: dict[str, dict[str, float]]) -> None:
        """Raise ValueError for values that the schema of results would refuse at the end."""
        first = self._points[0][3] if self._points else {}
        for split, found in metrics.items():
            known = first.get(split, {})
            if known and found.keys() == known.keys():
                continue
            if len(found) > MAX_METRICS:
                raise ValueError(
                    f"{len(found)} metrics of the {split} data: a result holds {MAX_METRICS}"
                )
            wrong = [
                name
                for name in found
                if not re.fullmatch(NAME_PATTERN, str(name)) or len(str(name)) > MAX_NAME
            ]
            if wrong:
                raise ValueError(
                    f"the metric {wrong[0]!r} is not a name: use lower-case letters, digits and "
                    f"single underscores, {MAX_NAME} at most, in what 'evaluate' and 'summarize' "
                    "return"
                )
            if first and set(found) != set(known):
                changed = ", ".join(sorted(set(found) ^ set(known)))
                raise ValueError(
                    f"every evaluation must return the same metrics; not in all of them: {changed}"
                )
            if self._task.score.metric not in found:
                raise ValueError(
                    f"the task's score reads the metric '{self._task.score.metric}', and "
                    f"'evaluate' returned {', '.join(sorted(found)) or 'none'}"
                )

    def _find_out_whether_settled(self) -> bool:
        score, target = self._task.score, self._task.target
        values = {split: self._values(split) for split in self._splits}
        if self._stop_at is not None and self._at[-1] * self._task.batch_size >= self._stop_at:
            return True
        return all(score.settled(self._at, values[s], target=target) for s in self._splits)

    def score(self, split: HeldOut, completed: bool) -> float:
        """The score on a split; the worst one for a run that did not complete."""
        score, values = self._task.score, self._values(split)
        budget = self._budget / self._task.batch_size
        if not completed or not values:
            return rounded(score.worst_score(budget))
        return rounded(score.read(self._at, values, target=self._task.target, budget=budget))

    def reached(self, split: HeldOut) -> tuple[float | None, float | None]:
        """Gradient evaluations and training seconds when the target was first held, or None."""
        values = self._values(split)
        at = self._task.score.reached(self._at, values, target=self._task.target)
        return at, None if at is None else self._seconds[self._at.index(at)]

    def curve(self) -> Curve:
        """The record of all evaluations."""
        self._read()
        return Curve(
            gradient_evaluations=self._at,
            seconds=self._seconds,
            train_loss=self._train_loss,
            validation=self._metrics["validation"],
            test=self._metrics["test"],
        )

    def _values(self, split: HeldOut) -> list[float]:
        """The scored metric, in as many numbers as `_at` has."""
        self._read()
        return self._metrics[split].get(self._task.score.metric, [])


def rounded(value: float) -> float:
    """A measured number with as many digits as results keep."""
    return float(f"{value:.{DIGITS}g}")
