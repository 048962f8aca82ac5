"""Regularizers: hooks around the step, all optional.

A regularizer is anything that changes training and is not the update rule. Override the hooks that
you need; state is kept in the instance, and one instance serves one trial. Several regularizers
compose in the order of the command line.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from suite.errors import UsageError


@dataclass(frozen=True)
class TaskInfo:
    """What a method may know about the task before it starts."""

    batch_size: int
    #: plain steps that the budget allows (one gradient evaluation per step)
    steps: int
    #: number of classes the model scores, None if there are none
    classes: int | None
    #: the method's own random stream, on the CPU
    generator: torch.Generator


#: hooks whose return value is used, and its meaning
_ANSWERS = {
    "criterion": "the loss",
    "penalty": "the term, 0 for none",
    "evaluate": "the loss",
    "averaged": "the model to evaluate with",
}


class Regularizer:
    """Base class: every hook does nothing."""

    #: the hooks that a subclass implements; the loop calls only those
    hooks: ClassVar[frozenset[str]] = frozenset()

    #: share of the budget that is spent, in [0, 1]; kept up to date by the training loop
    progress: float = 0.0

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        """Inspect the model or change it, before the optimizer is built.

        Raise `NotApplicable` with the reason if the method cannot work on the model.
        """

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The loss to train with; `default` is the task's (or the regularizer's before).

        Where a task compares only some outputs, such as the classes of a known task, `outputs`
        are these alone, and `targets` are counted among them.
        """
        return default(outputs, targets)

    def penalty(self, model: nn.Module) -> Tensor | float:
        """A term added to the training loss."""
        return 0.0

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        """Build one gradient evaluation out of several, as SAM does; each `evaluate()` is charged.

        Gradients are on; leave the result in `.grad` and return the loss. With an optimizer that
        never calls the objective, such as a zeroth-order one, a trial fails as not applicable.
        """
        return evaluate()

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        """Change `.grad` in place, after every gradient evaluation and without a graph.

        It cannot be used with an optimizer that never calls the objective, as for `evaluate`.
        """

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Change weights or the optimizer's state after a step, without a graph."""

    def averaged(self, model: nn.Module) -> nn.Module:
        """The model to evaluate with; called only at evaluations."""
        return model

    def on_task_change(self, model: nn.Module) -> None:
        """A stream with known boundaries has changed to its next task."""

    def overrides(self, hook: str) -> bool:
        """Whether this regularizer implements a hook."""
        return hook in self.hooks

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, function in list(vars(cls).items()):
            if not inspect.isfunction(function):
                continue
            if name in _ANSWERS:
                setattr(cls, name, _answering(cls.__name__, name, function))
            elif not name.startswith("_") and name not in HOOKS:
                _refuse_misspelt_hook(cls.__name__, name)
        cls.hooks = frozenset(
            hook for hook in HOOKS if getattr(cls, hook) is not getattr(Regularizer, hook)
        )


HOOKS = frozenset(
    name
    for name, value in vars(Regularizer).items()
    if inspect.isfunction(value) and not name.startswith("_") and name != "overrides"
)


def _refuse_misspelt_hook(regularizer: str, name: str) -> None:
    """Raise UsageError for a method that would never be called, and so change nothing."""
    near = difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.8)
    if near:
        raise UsageError(
            f"{regularizer}.{name} is not a hook of a regularizer. Did you mean {near[0]!r}? If it "
            f"is your own method, call it _{name}."
        )


def _answering(regularizer: str, hook: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A hook that raises an error if it returns nothing."""

    @functools.wraps(function)
    def checked(*arguments: Any, **keywords: Any) -> Any:
        answer = function(*arguments, **keywords)
        if answer is None:
            raise TypeError(f"{regularizer}.{hook} returned nothing: return {_ANSWERS[hook]}")
        return answer

    return checked
