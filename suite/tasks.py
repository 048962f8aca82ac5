"""Tasks: data, model, loss, evaluation, budget and target, with a name and an integer version."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from suite import registry
from suite.data import catalog
from suite.score import Score
from suite.sources import source_hash

Track = Literal["mini", "full"]
TRACKS = get_args(Track)


@dataclass
class Split:
    """Examples in memory: `inputs` and `targets` share their first dimension."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: str | torch.device) -> Split:
        """The same split on a device."""
        return Split(self.inputs.to(device), self.targets.to(device))


@dataclass
class Data:
    """One run's data: what is trained on, tuned on and reported on.

    `fingerprint` names the raw data before any split, so that results on other data are told
    apart; `canonical` is False if it is not the data that the task is defined on.
    `validation` and `test` are None for streams, whose every batch is evaluated before training.
    """

    train: Split
    validation: Split | None
    test: Split | None
    fingerprint: str
    canonical: bool = True
    source: str = "generated"


class Point(NamedTuple):
    """One measurement of a split."""

    #: share of the budget that was spent, in [0, 1]
    progress: float
    metrics: dict[str, float]


class Problem(ABC):
    """What a task family implements: data, model, batches, criterion and evaluation.

    A method never sees the problem: the training loop hands it only the model and the batches.
    Therefore `criterion` is a plain function, and what `batches` returns must not refer to the
    problem or to held-out data (a test walks what every task hands out).
    """

    #: loss of (outputs, targets); a plain function, not a method
    criterion: Callable[[Tensor, Tensor], Tensor] = staticmethod(nn.functional.cross_entropy)
    #: number of classes the outputs score, if there are classes
    classes: int | None = None
    #: True for streams: the metric is measured on each batch before it is trained on
    online: bool = False
    #: streams: each batch is measured again after its step, which gives the metric "plasticity"
    measures_plasticity: bool = False
    #: methods are told when a `TaskStream` goes on to its next task
    boundaries_known: bool = False
    #: measured before the first step, too
    initial_evaluation: bool = False
    #: measured after every step, for `summarize`; recorded only at the task's evaluations
    every_step: bool = False
    #: gradients reach the optimizer so many evaluations late, as in a pipeline
    gradient_delay: int = 0
    #: name in the catalog of data sets (`suite data list`), if the task needs one
    dataset: str = ""

    @property
    def needs(self) -> str:
        """What the task needs that is not generated, e.g. "CIFAR-10 (170 MB, downloaded once)"."""
        return catalog.get(self.dataset).needs if self.dataset else ""

    def prepare(self, folder: Path) -> None:
        """Fetch what is missing, once, before any trial starts; workers never download.

        By default the data set: a small one is fetched, a large one must be there. Raises
        MissingData with what is missing and the command that gets it.
        """
        if self.dataset:
            catalog.get(self.dataset).prepare(folder)

    @abstractmethod
    def data(self, folder: Path, generator: torch.Generator) -> Data:
        """Load or generate the data; splits are drawn from `generator`. May raise MissingData."""

    @abstractmethod
    def model(self) -> nn.Module:
        """A fresh model, initialized from torch's global generator (seeded by the loop)."""

    @abstractmethod
    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """An endless iterator of (inputs, targets), on the device of `train`.

        A `suite.streams.TaskStream` is told the share of the budget that is spent.
        """

    def initialize(self, model: nn.Module, train: Split) -> None:
        """Set a fresh model's weights that follow from the training data, in place.

        Called once, on the device, before any method sees the model.
        """

    def accelerate(self, model: nn.Module, device: str) -> None:
        """Make a fresh model fast on its device, in place: compile parts, change memory formats."""

    def constrain(self, model: nn.Module) -> None:
        """Project the weights onto the feasible set, in place; called after every step."""

    def evaluate(self, model: nn.Module, split: Split) -> dict[str, float]:
        """Metrics of a model in evaluation mode on a split: by default loss and accuracy."""
        return classification_metrics(model, split, type(self).criterion)

    def summarize(self, history: Sequence[Point]) -> dict[str, float]:
        """More metrics of a split, read from all that was measured on it so far; the last is now.

        For metrics of a whole curve, such as forgetting. On a stream, `history` holds the means
        between two evaluations.
        """
        return {}

    def training_metrics(self, losses: Sequence[float], examples: float) -> dict[str, float]:
        """Metrics of the training itself, recorded beside those of every split.

        `losses` are the training losses of all steps so far, on the batch of each step; `examples`
        is what was spent, in examples passed forward and backward.
        """
        return {}

    def overrides(self, hook: str) -> bool:
        """Whether this problem implements an optional hook; the loop calls only those."""
        return getattr(type(self), hook) is not getattr(Problem, hook)


@dataclass(frozen=True)
class Task:
    """A registered problem with everything that makes two runs comparable."""

    kind = "task"
    name: str
    problem: Problem
    version: int
    track: Track
    summary: str
    source: str
    batch_size: int
    budget: int
    evaluations: int
    score: Score
    target: float
    time_limit: float
    path: Path

    @property
    def gradient_evaluations(self) -> float:
        """The budget in batches passed forward and backward."""
        return self.budget / self.batch_size

    @property
    def settings(self) -> dict[str, Any]:
        """Everything declared, as plain values."""
        skipped = ("problem", "path", "summary", "source")
        fields = [f.name for f in dataclasses.fields(self) if f.name not in skipped]
        values = {name: getattr(self, name) for name in fields}
        values["score"] = dataclasses.asdict(self.score)
        values["problem"] = {k: repr(v) for k, v in sorted(vars(self.problem).items())}
        return values

    @property
    def fingerprint(self) -> str:
        """A hash of the settings and of the files that define the problem.

        It changes exactly when the task may mean something else; a test then asks for a new
        version. Comments and docstrings do not count.
        """
        text = json.dumps([self.settings, self.code], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @functools.cached_property
    def code(self) -> list[str]:
        """Hashes of the files that define the problem, read once: they may change on disk later."""
        files = {self.path}
        for parent in type(self.problem).__mro__:
            module = sys.modules.get(parent.__module__)
            if module is not None and module.__name__.startswith("suite_tasks"):
                files.add(Path(str(module.__file__)))
        return sorted(source_hash(path) for path in files)


def task(
    name: str,
    problem: Problem,
    *,
    version: int,
    track: Track,
    summary: str,
    source: str,
    batch_size: int,
    budget: int,
    evaluations: int,
    score: Score,
    target: float,
    time_limit: float = 600.0,
) -> None:
    """Register a task.

    `budget` is in examples passed forward and backward; `evaluations` are spread evenly over it;
    `target` is the value of the score's metric that counts as reached; `time_limit` is in seconds
    of one trial, after which it counts as hanging. `source` says where the definition comes from.
    """
    if track not in TRACKS:
        raise ValueError(f"{name}: track is one of {TRACKS}, not {track!r}")
    if version < 1:
        raise ValueError(f"{name}: versions are whole numbers from 1, not {version!r}")
    if budget < batch_size or evaluations < 1:
        raise ValueError(f"{name}: needs a budget of at least one batch and one evaluation")
    # The caller's file, not the one being loaded: a task file may import from another one.
    path = Path(sys._getframe(1).f_code.co_filename)
    registry.add(
        Task(
            name=registry.check_name(name),
            problem=problem,
            version=version,
            track=track,
            summary=summary,
            source=source,
            batch_size=batch_size,
            budget=budget,
            evaluations=evaluations,
            score=score,
            target=target,
            time_limit=time_limit,
            path=path,
        )
    )


class Shuffled:
    """Endless batches in a fresh random order every epoch; the last partial batch is dropped.

    `augment(inputs, generator)` may change the images of a batch. One permutation is drawn and
    gathered an epoch, so that a batch is a slice.
    """

    def __init__(
        self,
        train: Split,
        batch_size: int,
        generator: torch.Generator,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    ) -> None:
        self._split = train
        self._size = min(batch_size, len(train))
        self._generator = generator
        self._augment = augment
        self._batches: Iterator[tuple[Tensor, Tensor]] = iter(())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        batch = next(self._batches, None)
        if batch is None:
            order = torch.randperm(len(self._split), generator=self._generator)
            order = order[: len(order) // self._size * self._size].to(self._split.inputs.device)
            # Copies whole rows: ten times as fast as brackets for images of bytes.
            inputs = self._split.inputs.index_select(0, order)
            targets = self._split.targets.index_select(0, order)
            self._batches = zip(inputs.split(self._size), targets.split(self._size), strict=True)
            batch = next(self._batches)
        if self._augment is not None:
            return self._augment(batch[0], self._generator), batch[1]
        return batch


class FullBatch:
    """Endless repetition of the whole training split."""

    def __init__(self, train: Split) -> None:
        self._batch = (train.inputs, train.targets)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        return self._batch


def classification_metrics(
    model: Callable[[Tensor], Tensor],
    split: Split,
    criterion: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    chunk: int = 2048,
) -> dict[str, float]:
    """Mean loss and accuracy of class scores, in chunks that bound the memory.

    Outputs of shape (..., classes) are read against targets of shape (...).
    """
    loss, correct, count = 0.0, 0, 0
    for inputs, targets in zip(split.inputs.split(chunk), split.targets.split(chunk), strict=True):
        outputs = model(inputs)
        loss += float(criterion(outputs, targets)) * len(targets)
        correct += int((outputs.argmax(-1) == targets).sum())
        count += targets.numel()
    return {"loss": loss / len(split), "accuracy": correct / count}
