"""Sequences of tasks with held-out examples of each, for measuring continual learning."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from suite import Point, Problem, Shuffled, Split, TaskStream

from .metrics import (
    average_accuracy,
    average_anytime_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    learning_accuracy,
    min_acc,
    task_ends,
    wc_acc,
)

Augment = Callable[[Tensor, torch.Generator], Tensor]


class ContinualProblem(Problem):
    """Tasks that are learned one after the other; at every evaluation, all of them are measured.

    Every task has an equal share of the budget, and methods are told where one begins. The first
    evaluation is before training, for forward transfer. If the problem also evaluates after
    every step, the metrics of the stability gap are reported.
    """

    boundaries_known = True
    #: a task's batches hold examples of all tasks before it too: learning with full replay
    joint: bool = False

    tasks: int

    @abstractmethod
    def task_numbers(self, split: Split) -> Tensor:
        """The task, counted from 0, that each example belongs to, shape (N,)."""

    def augmentation(self) -> Augment | None:
        """The change to the inputs of a training batch, given a generator; must not be a method."""
        return None

    def as_inputs(self, inputs: Tensor) -> Tensor:
        """Held-out inputs as the model takes them."""
        return inputs

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        numbers = self.task_numbers(train)
        start = partial(_shuffled, train, numbers, self.joint, batch_size, self.augmentation())
        return TaskStream(self.tasks, start, generator)

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        """Mean loss over all examples, and the accuracy on each task."""
        chunks = zip(split.inputs.split(1000), split.targets.split(1000), strict=True)
        loss, right = 0.0, []
        for inputs, targets in chunks:
            scores, labels = type(self).restrict(model(self.as_inputs(inputs)), targets)
            loss += float(type(self).criterion(scores, labels)) * len(targets)
            right.append(scores.argmax(-1) == labels)
        members = nn.functional.one_hot(self.task_numbers(split), self.tasks).double()
        accuracies = (torch.cat(right).double() @ members / members.sum(0)).tolist()
        named = {_accuracy_name(task): value for task, value in enumerate(accuracies)}
        return {"loss": loss / len(split), **named}

    def summarize(self, history: Sequence[Point]) -> dict[str, float]:
        """The metrics of `metrics.py`, as of the last evaluation."""
        names = [_accuracy_name(task) for task in range(self.tasks)]
        curve = [[point.metrics[name] for name in names] for point in history]
        ends = task_ends([point.progress for point in history], self.tasks)
        matrix = [*(curve[end] for end in ends), curve[-1]]
        summary = {
            "average_accuracy": average_accuracy(matrix),
            "average_anytime_accuracy": average_anytime_accuracy(curve, ends),
            "learning_accuracy": learning_accuracy(matrix),
            "forgetting": forgetting(matrix),
            "backward_transfer": backward_transfer(matrix),
            "forward_transfer": forward_transfer(matrix, initial=curve[0]),
        }
        if self.every_step:
            summary |= {"min_acc": min_acc(curve, ends), "wc_acc": wc_acc(curve, ends)}
        return summary


def _accuracy_name(task: int) -> str:
    return f"accuracy_task_{task + 1}"


def _shuffled(
    train: Split,
    numbers: Tensor,
    joint: bool,
    batch_size: int,
    augment: Augment | None,
    task: int,
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One task's batches, or those of all tasks up to it."""
    chosen = numbers <= task if joint else numbers == task
    part = Split(train.inputs[chosen], train.targets[chosen])
    return Shuffled(part, batch_size, generator, augment)


def among_own_task(outputs: Tensor, targets: Tensor, *, classes: int) -> tuple[Tensor, Tensor]:
    """The scores (N, `classes`) of each target's own task, and targets counted among its classes.

    This is task-incremental learning: task t has the `classes` classes from t * classes on.
    """
    first = targets - targets % classes
    own = first.unsqueeze(-1) + torch.arange(classes, device=targets.device)
    return outputs.gather(-1, own), targets - first
