"""Grounds: the small problems that a component is tried on.

They are problems as tasks have them, so that the suite builds a method for them, steps it, audits
it and evaluates it in the way it does in a trial.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from suite.checking.models import (
    CLASSES,
    FEATURES,
    LENGTH,
    SIDE,
    WORDS,
    Complex,
    Convolutions,
    Curve,
    Perceptron,
    Shapes,
    Small,
    Table,
    Words,
)
from suite.data.split import Split
from suite.problems import score
from suite.problems.batches import Shuffled
from suite.problems.problem import Data, Problem
from suite.problems.streams import TaskStream
from suite.problems.task import Task

BATCH, TRAIN, VALIDATION = 16, 128, 32
#: steps of a walk
STEPS = 24
TASKS = 4

Draw = Callable[[int, torch.Generator], Tensor]


class Ground(Problem):
    """Classes to learn, by the scores of a small model."""

    def __init__(self, model: type[Small], draw: Draw, classes: int | None) -> None:
        self.make = model
        self.draw = draw
        self.classes = classes

    def data(self, folder: Path, generator: torch.Generator) -> Data:
        return self.examples

    @functools.cached_property
    def examples(self) -> Data:
        """The same examples in every trial."""
        generator = torch.Generator().manual_seed(11)
        inputs = self.draw(TRAIN + VALIDATION, generator)
        targets = self.targets(inputs, generator)
        train = Split(inputs[:TRAIN], targets[:TRAIN])
        return Data(train, Split(inputs[TRAIN:], targets[TRAIN:]), None, "0" * 16)

    def targets(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """What a random linear map of the inputs says."""
        assert self.classes is not None
        if inputs.dtype == torch.int64:
            return (inputs[:, 0] + inputs[:, -1]) % self.classes
        flat = inputs.flatten(1)
        rule = torch.randn(flat.shape[1], self.classes, generator=generator)
        return (flat @ rule).argmax(1)

    def model(self) -> nn.Module:
        return self.make()

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return Shuffled(train, batch_size, generator)


class Numbers(Ground):
    """Numbers to learn, by the squared error."""

    criterion = staticmethod(nn.functional.mse_loss)

    def targets(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """A random linear map of the inputs."""
        return inputs @ torch.randn(inputs.shape[1], 1, generator=generator) / 3

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        return {"loss": float(nn.functional.mse_loss(model(split.inputs), split.targets))}


class Stream(Ground):
    """Four tasks in a row; methods are told when they change."""

    boundaries_known = True
    tasks = TASKS

    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        return TaskStream(TASKS, functools.partial(_turned, train, batch_size), generator)


def _turned(
    train: Split, batch_size: int, task: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one task: the inputs are shifted by its number."""
    return Shuffled(Split(train.inputs.roll(task, 1), train.targets), batch_size, generator)


def _vectors(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, FEATURES, generator=generator)


def _images(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 1, SIDE, SIDE, generator=generator)


def _sentences(count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(WORDS, (count, LENGTH), generator=generator)


def _task(name: str, problem: Ground, summary: str, steps: int = STEPS) -> Task:
    return Task(
        name=f"check_{name}",
        problem=problem,
        version=1,
        track="mini",
        summary=summary,
        source="generated",
        batch_size=BATCH,
        budget=BATCH * steps,
        evaluations=STEPS // 4,
        score=score.final("loss", higher_is_better=False, worst=100.0),
        target=0.0,
        time_limit=60.0,
        path=Path(__file__),
        stream=isinstance(problem, Stream),
    )


@functools.cache
def grounds() -> tuple[Task, ...]:
    """Where a component is tried, the most usual first; `summary` says what it is, in words."""
    return (
        _task("perceptron", Ground(Perceptron, _vectors, CLASSES), "a perceptron"),
        _task("norm", Ground(Convolutions, _images, CLASSES), "convolutions with batch norm"),
        _task("words", Ground(Words, _sentences, WORDS), "tokens, with a head tied to them"),
        _task("curve", Numbers(Curve, _vectors, None), "a regression"),
        _task("stream", Stream(Perceptron, _vectors, CLASSES), "a stream of four tasks"),
        _task("table", Numbers(Table, _vectors, None), "a vector and a number"),
    )


@functools.cache
def shapes() -> Task:
    """Parameters of every number of dimensions."""
    return _task("shapes", Ground(Shapes, _images, CLASSES), "tensors of 0 to 4 dimensions")


@functools.cache
def complex_numbers() -> Task:
    """A complex parameter."""
    return _task("complex", Ground(Complex, _vectors, CLASSES), "a complex matrix")


def longer(task: Task, steps: int) -> Task:
    """The same ground with another number of steps."""
    return dataclasses.replace(task, budget=BATCH * steps)
