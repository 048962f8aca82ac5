"""Evaluation: measuring a model between steps, and the curve and scores that come of it.

Everything here belongs to the suite; nothing of it is handed to a method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from suite.objective import Objective
from suite.regularizers import Regularizer
from suite.result import Curve
from suite.tasks import Point, Problem, Split, Task

#: digits kept of every measured number: enough to rank, few enough to keep result files small
DIGITS = 6


class Diverged(Exception):
    """A loss or metric stopped being a finite number."""


class Evaluator:
    """Measures a model on held-out splits, or on a stream's batches before they are trained on."""

    def __init__(
        self,
        problem: Problem,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        regularizers: Sequence[Regularizer],
        held_out: Mapping[str, Split | None],
    ) -> None:
        self._problem = problem
        self._model = model
        self._optimizer = optimizer
        self._averaging = [r for r in regularizers if r.overrides("averaged")]
        self._held_out = held_out
        self._window: list[dict[str, float]] = []
        self._history: dict[str, list[Point]] = {name: [] for name in held_out}

    def measure(self, progress: float) -> dict[str, dict[str, float]]:
        """Metrics by split. On a stream: means over the batches since the last call."""
        self.observe(progress)
        return {
            split: {**points[-1].metrics, **self._problem.summarize(points)}
            for split, points in self._history.items()
            if points
        }

    def observe(self, progress: float) -> None:
        """Measure without a record, for metrics that look at the whole history."""
        for split, metrics in self._measured().items():
            self._history[split].append(Point(progress, metrics))

    def measure_batch(self, objective: Objective) -> None:
        """Measure the batch that is about to be trained on."""
        self._window.append(self._of_batch(objective))

    def measure_again(self, objective: Objective) -> None:
        """Measure the batch that was just trained on: how much of its loss the step took away.

        Plasticity as Elsayed and Mahmood 2024, "Addressing Loss of Plasticity and Catastrophic
        Forgetting in Continual Learning", define it: 1 - loss after / loss before, in [0, 1].
        """
        before, after = self._window[-1]["loss"], self._of_batch(objective)["loss"]
        plasticity = 1.0 - after / max(before, 1e-8)
        # A loss that is not finite stays so: the recorder must see it.
        kept = min(1.0, max(0.0, plasticity)) if math.isfinite(plasticity) else plasticity
        self._window[-1]["plasticity"] = kept

    def _measured(self) -> dict[str, dict[str, float]]:
        if self._problem.online:
            window, self._window = self._window, []
            names = window[0]
            means = {name: sum(m[name] for m in window) / len(window) for name in names}
            return {split: means for split in self._held_out}
        with self._evaluated_model() as model:
            return {
                name: self._problem.evaluate(model, split)
                for name, split in self._held_out.items()
                if split is not None
            }

    def _of_batch(self, objective: Objective) -> dict[str, float]:
        with self._evaluated_model() as model:
            return self._problem.evaluate(model, Split(*objective.batch))

    @contextmanager
    def _evaluated_model(self) -> Iterator[nn.Module]:
        """The averaged model in evaluation mode, and everything as it was afterwards."""
        switch_mode(self._model, self._optimizer, training=False)
        try:
            with torch.no_grad():
                model = self._model
                for regularizer in self._averaging:
                    model = regularizer.averaged(model).eval()
                yield model
        finally:
            switch_mode(self._model, self._optimizer, training=True)


def switch_mode(model: nn.Module, optimizer: torch.optim.Optimizer, *, training: bool) -> None:
    """Training or evaluation mode, also of optimizers that know the two (schedule-free)."""
    model.train(training)
    switch = getattr(optimizer, "train" if training else "eval", None)
    if callable(switch):
        switch()


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
