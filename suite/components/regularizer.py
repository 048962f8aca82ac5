"""Regularizers: hooks around the step, all optional.

A regularizer is anything that changes training and is not the update rule. Override the hooks you
need; state lives in the instance, and one instance serves one trial. Several compose in the order
of the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TaskInfo:
    """What a method may know of the task before it starts."""

    batch_size: int
    #: plain steps that the budget pays for (one gradient evaluation a step)
    steps: int
    #: number of classes the model scores, None if there are none
    classes: int | None
    #: the method's own random stream, on the CPU
    generator: torch.Generator


class Regularizer:
    """Base class: every hook does nothing."""

    #: share of the budget that is spent, in [0, 1]; kept up to date by the training loop
    progress: float = 0.0

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        """Look at the model or change it, before the optimizer is built.

        Raise `NotApplicable` with the reason if the model lacks what the method needs.
        """

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The loss to train with; `default` is the task's (or the regularizer's before)."""
        return default(outputs, targets)

    def penalty(self, model: nn.Module) -> Tensor | float:
        """A term added to the training loss."""
        return 0.0

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        """Build one gradient evaluation out of several, as SAM does; each `evaluate()` is charged.

        Gradients are on; leave the result in `.grad` and return the loss. With an optimizer that
        never calls the objective, as zeroth-order ones, a trial fails as not applicable.
        """
        return evaluate()

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        """Change `.grad` in place, after every gradient evaluation and without a graph.

        An optimizer that never calls the objective is no match for it, as for `evaluate`.
        """

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Change weights or the optimizer's state after a step, without a graph."""

    def averaged(self, model: nn.Module) -> nn.Module:
        """The model to evaluate with; called only at evaluations."""
        return model

    def on_task_change(self, model: nn.Module) -> None:
        """A stream whose boundaries are known went on to its next task."""

    def overrides(self, hook: str) -> bool:
        """Whether this regularizer implements a hook; the loop calls only those."""
        return getattr(type(self), hook) is not getattr(Regularizer, hook)
