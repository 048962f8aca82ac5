"""The evaluator: measures a model between steps. Nothing of it is handed to a method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from suite.components.regularizer import Regularizer
from suite.data.split import Split
from suite.problems.problem import Point, Problem
from suite.training.objective import Objective


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
