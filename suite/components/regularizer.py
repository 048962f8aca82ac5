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
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.training.objective import Objective


@dataclass(frozen=True)
class TaskInfo:
    """What a method may know about the task before it starts."""

    batch_size: int
    #: plain steps that the budget allows (one gradient evaluation per step)
    steps: int
    #: number of classes the model scores, None if there are none
    classes: int | None
    #: the method's own random stream, always on the CPU
    generator: torch.Generator
    #: training examples of a finite set; None if they are generated without end, or of a stream
    examples: int | None = None
    #: times that the budget passes over the training examples; None if `examples` is
    epochs: float | None = None
    #: what the task minimizes, where it has a name; the mean over a batch
    loss: Literal["cross_entropy", "mse"] | None = None
    #: integers that an embedding looks up, or numbers that can be averaged
    inputs: Literal["tokens", "numbers"] = "numbers"
    #: tasks that follow one another, if a method is told when they change (`on_task_change`)
    tasks: int | None = None
    #: the torch device of model and batches: "cpu", "cuda" or "mps"
    device: str = "cpu"


#: hooks whose return value is used, and its meaning
_ANSWERS = {
    "batch": "the inputs and the targets to train on",
    "logits": "the logits",
    "criterion": "the loss",
    "penalty": "the term, 0 for none",
    "evaluate": "the loss",
    "around_step": "the loss that step() returned",
    "average": "the weights to evaluate with, by name",
    "averaged": "the model to evaluate with",
}


class Regularizer:
    """Base class: every hook does nothing."""

    #: the hooks that a subclass implements; the loop calls only those
    hooks: ClassVar[frozenset[str]] = frozenset()
    #: with `average`: the number of latest training batches on which the running statistics of
    #: batch norm are computed again before each evaluation (charged 1/3 per example)
    recalibrate: int = 0

    #: share of the budget that is spent, in [0, 1]; kept up to date by the training loop
    progress: float = 0.0
    #: what the schedules multiply the learning rate by in this step; 1 without a schedule
    lr_factor: float = 1.0
    #: the objective of the trial; there from `start` on, and in every hook that is called later
    objective: Objective

    # -- before training --------------------------------------------------------------------------

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        """Inspect the model or change it, before the optimizer is built.

        Raise `NotApplicable` with the reason if the method cannot work on the model or the task.
        """

    def start(self, model: nn.Module, objective: Objective) -> None:
        """Begin with the first batch in `objective.batch`, before the first step.

        For what needs data or the finished model: initialization by data, copies of the initial
        weights. The optimizer exists: change weights in place. What is asked of the objective is
        charged.
        """

    # -- a batch ----------------------------------------------------------------------------------

    def batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The batch to train on instead of the one drawn; called once for each batch drawn.

        Every use of it in the step sees the same examples. It may have more or fewer of them; each
        is charged when it passes through the model. Called without a graph; an online task has
        measured the batch before.
        """
        return inputs, targets

    # -- the loss ---------------------------------------------------------------------------------

    def logits(self, logits: Tensor) -> Tensor:
        """The scores of classes that the loss compares, of shape (..., classes).

        Called on the model's outputs before `criterion`, after a task with several heads has
        chosen the classes that count. Only on tasks with `TaskInfo.loss == "cross_entropy"`.
        """
        return logits

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The loss to train with; `default` is the task's (or the regularizer's before).

        Where a task compares only some outputs, such as the classes of a known task, `outputs`
        are these alone, and `targets` are counted among them.

        `default.each(outputs, targets)` gives the loss of every example instead, of shape (N,).
        """
        return default(outputs, targets)

    def penalty(self, model: nn.Module) -> Tensor | float:
        """A term added to the training loss. Read the weights from `model`, at every call.

        Parameters that were kept from before are others than those that `jvp` and functions of
        several weights (`losses_at`) pass through the model.
        """
        return 0.0

    # -- a gradient evaluation and a step ---------------------------------------------------------

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        """Build one gradient evaluation out of several, as SAM does; each `evaluate()` is charged.

        Gradients are on; leave the result in `.grad` and return the loss. `self.objective` offers
        other quantities than the gradient. With an optimizer that never calls the objective, such
        as a zeroth-order one, a trial fails as not applicable.
        """
        return evaluate()

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        """Change `.grad` in place, after every gradient evaluation and without a graph.

        It cannot be used with an optimizer that never calls the objective, as for `evaluate`.
        """

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        """Change what the optimizer's step adds to the weights, in place, before it counts.

        `deltas` has one tensor for each parameter, new weight minus old weight. Decoupled weight
        decay is not in it if the optimizer's groups say `decoupled_weight_decay` (torch's AdamW
        does): the decay is then applied as it is. `parameters` hold the new weights, `.grad` the
        gradients that the step used. If `deltas` stay as they are, no bit of the weights changes.
        """

    def around_step(self, step: Callable[[], Tensor], objective: Objective) -> Tensor:
        """Take the optimizer's step any number of times; return the loss that it returned.

        Every `step()` is a whole step of the optimizer with the hooks inside of it. A later step
        uses the same batch unless `objective.next_batch()` draws another one.
        """
        return step()

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Change weights or the optimizer's state after a step, without a graph."""

    # -- evaluations and streams ------------------------------------------------------------------

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights to evaluate with, by name; called after every step, without a graph.

        `weights` are parameters and floating-point buffers after the step, or the average of the
        regularizer before, so that several compose. They are not copies: clone what is kept.
        Names that are not returned keep their values. Training goes on with its own weights.
        """
        return weights

    def averaged(self, model: nn.Module) -> nn.Module:
        """The model to evaluate with, where `average` is not enough; called at evaluations only.

        For models of another structure than the trained one, such as an ensemble. The first
        evaluation is of the untrained model and comes before `start`: return `model` until then.
        """
        return model

    def on_task_change(self, model: nn.Module, task: int) -> None:
        """A stream with known boundaries changes to task number `task`, counted from 0.

        Called before the first batch of the task is drawn: `self.objective.batch` still is the last
        one of the task before. An optimizer with a method of this name is told as well.
        """

    def overrides(self, hook: str) -> bool:
        """Whether this regularizer implements a hook."""
        return hook in self.hooks

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, function in list(vars(cls).items()):
            if not inspect.isfunction(function):
                continue
            if name == "on_task_change":
                cls.on_task_change = _told_of_number(function)  # type: ignore[method-assign]
            elif name in _ANSWERS:
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


def _told_of_number(function: Callable[..., Any]) -> Callable[..., Any]:
    """An `on_task_change(self, model, task)`, also from one without the task's number."""
    if len(inspect.signature(function).parameters) > 2:
        return function

    @functools.wraps(function)
    def told(self: Regularizer, model: nn.Module, task: int) -> None:
        function(self, model)

    return told


def _answering(regularizer: str, hook: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A hook that raises an error if it returns nothing."""

    @functools.wraps(function)
    def checked(*arguments: Any, **keywords: Any) -> Any:
        answer = function(*arguments, **keywords)
        if answer is None:
            raise TypeError(f"{regularizer}.{hook} returned nothing: return {_ANSWERS[hook]}")
        return answer

    return checked
