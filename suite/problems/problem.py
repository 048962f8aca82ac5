"""Problems: what a task trains on: data, model, loss, batches and evaluation."""

from __future__ import annotations

import difflib
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from suite.data import catalog
from suite.data.split import Split
from suite.errors import SuiteError
from suite.problems.metrics import (
    LossName,
    Restrict,
    classification_metrics,
    loss_name,
    unrestricted,
)


def fingerprint_of(text: str) -> str:
    """A fingerprint of generated data: the hash of a text that states the rule they follow."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_FINGERPRINT = re.compile("[0-9a-f]{16,64}")


@dataclass
class Data:
    """One run's data: for training, for tuning and for the reported score.

    `fingerprint` identifies the raw data before any split, so that results on other data can be
    distinguished: 16 to 64 hexadecimal digits. `canonical` is False if it is not the data that the
    task is defined on. `validation` and `test` are None for online problems, where every batch is
    measured before it is trained on.

    Examples of one finite set are split by `suite.split_once`, so that the test examples are the
    same in every run. Generated examples may be drawn from the run's generator, if their space is
    so large that no two draws are alike.
    """

    train: Split
    validation: Split | None
    test: Split | None
    fingerprint: str
    canonical: bool = True
    source: str = "generated"

    def __post_init__(self) -> None:
        """Refuse values that no result file could hold."""
        if not isinstance(self.fingerprint, str) or not _FINGERPRINT.fullmatch(self.fingerprint):
            raise SuiteError(
                f"Data(fingerprint={self.fingerprint!r}), which the task's data(...) returned: a "
                "fingerprint is 16 to 64 hexadecimal digits (0-9, a-f), such as "
                "hashlib.sha256(raw_bytes).hexdigest()[:16]; of generated data "
                "suite.fingerprint_of(text), where the text states the rule."
            )


class Point(NamedTuple):
    """One measurement of a split."""

    #: share of the budget that was spent, in [0, 1]
    progress: float
    metrics: dict[str, float]


class Problem(ABC):
    """What a task family implements: data, model, batches, criterion and evaluation.

    A method never sees the problem: the training loop gives it only the model and the batches.
    Therefore `criterion` and `restrict` are plain functions, and what `batches` returns must not
    refer to the problem or to held-out data (a test checks all objects that every task gives to a
    method).
    """

    #: the part of (outputs, targets) that is compared, for each example: such as the scores of the
    #: classes that are known to be possible, with the targets counted among these. Every loss sees
    #: this alone: `criterion`, a regularizer's in its place, and labels that a method samples
    restrict: Restrict = staticmethod(unrestricted)
    #: loss of (outputs, targets), after `restrict`; a plain function, not a method
    criterion: Callable[[Tensor, Tensor], Tensor] = staticmethod(nn.functional.cross_entropy)
    #: number of classes the outputs score, if there are classes
    classes: int | None = None
    #: True for streams: the metric is measured on each batch before it is trained on
    online: bool = False
    #: streams: each batch is measured again after its step, which gives the metric "plasticity"
    measures_plasticity: bool = False
    #: methods are told when a `TaskStream` changes to its next task
    boundaries_known: bool = False
    #: measured after every step, for `summarize`; recorded only at the task's evaluations
    every_step: bool = False
    #: gradients reach the optimizer this many evaluations late, as in a pipeline
    gradient_delay: int = 0
    #: name in the catalog of data sets (`suite data list`), if the task needs one
    dataset: str = ""

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Refuse a misspelt hook, which would never be called."""
        super().__init_subclass__(**arguments)
        known = [name for name in vars(Problem) if not name.startswith("_")]
        for name in vars(cls):
            inherited = any(hasattr(base, name) for base in cls.__bases__)
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if near and not inherited and not name.startswith("_"):
                raise SuiteError(
                    f"{cls.__module__}.{cls.__qualname__}.{name}: a Problem has no '{name}'. Did "
                    f"you mean '{near[0]}'? If not, give it a name that is less similar."
                )

    @property
    def loss_name(self) -> LossName | None:
        """The name of what `criterion` computes, for methods that are made for one loss."""
        return loss_name(type(self).criterion)

    @property
    def needs(self) -> str:
        """What the task needs that is not generated, e.g. "CIFAR-10 (170 MB, downloaded once)"."""
        return catalog.get(self.dataset).needs if self.dataset else ""

    def prepare(self, folder: Path) -> None:
        """Fetch what is missing, once, before any trial starts; workers never download.

        By default the data set: a small one is fetched, a large one must be present. Raises
        MissingData with what is missing and the command that gets it.
        """
        if self.dataset:
            catalog.get(self.dataset).prepare(folder)

    @abstractmethod
    def data(self, folder: Path, generator: torch.Generator) -> Data:
        """Load or generate the data. May raise MissingData.

        Training and validation examples are drawn from `generator`, which follows the run's seed;
        no other run may train or tune on a test example, see `suite.split_once`.
        """

    @abstractmethod
    def model(self) -> nn.Module:
        """A fresh model, initialized from torch's global generator (seeded by the loop)."""

    @abstractmethod
    def batches(
        self, train: Split, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """An endless iterator of (inputs, targets), on the device of `train`.

        A batch must share no memory with `train` or with other batches.

        A `suite.TaskStream` is told the share of the budget that is spent.
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
        cls = type(self)
        return classification_metrics(model, split, cls.criterion, restrict=cls.restrict)

    def summarize(self, history: Sequence[Point]) -> dict[str, float]:
        """More metrics of a split, read from all that was measured on it so far; the last is now.

        For metrics of a whole curve, such as forgetting. On a stream, `history` holds the means
        between two evaluations.
        """
        return {}

    def training_metrics(self, losses: Sequence[float], examples: float) -> dict[str, float]:
        """Metrics of the training itself, recorded beside those of every split.

        `losses` are the training losses of all steps so far, on the batch of each step, none at the
        evaluation before training; `examples`
        is what was spent, in examples passed forward and backward.
        """
        return {}

    def overrides(self, hook: str) -> bool:
        """Whether this problem implements an optional hook; the loop calls only those."""
        return getattr(type(self), hook) is not getattr(Problem, hook)
