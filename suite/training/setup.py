"""The setup of a trial: its data, its model and its method, each with its own random stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from suite.components import registry
from suite.components.method import Parts, build
from suite.components.regularizer import TaskInfo
from suite.data.split import Split
from suite.errors import NotApplicable
from suite.problems.batches import FullBatch, Shuffled
from suite.problems.streams import TaskStream
from suite.problems.task import Task
from suite.results.model import DataRecord
from suite.training.calibration import calibrate
from suite.training.evaluator import ModuleHooks
from suite.training.operations import forward_operations
from suite.training.repeatable import make_repeatable, seed_everything
from suite.training.seeds import derive
from suite.training.trial import Trial, refuse_changed_sources


@dataclass
class Data:
    """A trial's data for training and for measurements, on its device."""

    train: Split
    #: by name; None for streams
    held_out: dict[str, Split | None]
    record: DataRecord


@dataclass
class Model:
    """A new model, its training batches, and the hooks that the task put on it."""

    module: nn.Module
    batches: Iterator[tuple[Tensor, Tensor]]
    hooks: ModuleHooks
    #: seconds of one AdamW step of the task on this machine
    calibration: float


def load(trial: Trial) -> Task:
    """The task of a trial; imports its files and makes all settings of the process.

    Raises SuiteError if the code differs from the code that the study was planned with.
    """
    for path in trial.files:
        registry.load_file(path)
    task: Task = registry.get("task", trial.task)
    refuse_changed_sources(trial, task)
    make_repeatable(trial.threads, trial.device)
    return task


def load_data(trial: Trial, task: Task) -> Data:
    """The data of a trial; may raise MissingData."""
    problem = task.problem
    data = problem.data(Path(trial.data_folder), generator(trial, "split"))
    record = DataRecord(fingerprint=data.fingerprint, canonical=data.canonical, source=data.source)
    found = {} if problem.online else {"validation": data.validation, "test": data.test}
    held_out: dict[str, Split | None] = {
        name: _on(found.get(name), trial.device) for name in trial.splits
    }
    return Data(data.train.to(trial.device), held_out, record)


def make_model(trial: Trial, task: Task, train: Split) -> Model:
    """The model and the batches of a trial."""
    problem = task.problem
    calibration = calibrate(task, train, trial.device)
    seed_everything(derive(trial.seed, "initialization"), trial.device)
    module = problem.model().to(trial.device)
    problem.initialize(module, train)
    problem.accelerate(module, trial.device)
    batches = iter(problem.batches(train, task.batch_size, generator(trial, "batches")))
    return Model(module, batches, ModuleHooks(module), calibration)


def build_method(
    trial: Trial, task: Task, model: Model, train: Split, info: TaskInfo | None = None
) -> Parts:
    """The method of a trial, attached to its model; `info` by default as `task_info` makes it.

    Raises NotApplicable if it cannot work on the task.
    """
    info = info or task_info(trial, task, model, train)
    seed_everything(derive(trial.seed, "method"), trial.device)
    parts = build(trial.components, trial.hyperparameters, model.module, info)
    for name, regularizer in zip(parts.names, parts.regularizers, strict=True):
        if regularizer.overrides("logits") and info.loss != "cross_entropy":
            raise NotApplicable(
                f"'{name}' transforms the scores of classes, and the loss of this task is not "
                "their cross entropy"
            )
    return parts


def task_info(trial: Trial, task: Task, model: Model, train: Split) -> TaskInfo:
    """What the method may know about the task."""
    problem, budget = task.problem, task.budget_under(trial.budget_fraction)
    examples = len(train) if isinstance(model.batches, (Shuffled, FullBatch)) else None
    stream = model.batches if isinstance(model.batches, TaskStream) else None
    words = train.inputs.dtype in (torch.int64, torch.int32)
    return TaskInfo(
        batch_size=task.batch_size,
        steps=int(budget // task.batch_size),
        classes=problem.classes,
        generator=generator(trial, "method"),
        examples=examples,
        epochs=None if examples is None else budget / examples,
        loss=problem.loss_name,
        inputs="tokens" if words else "numbers",
        tasks=stream.tasks if stream is not None and problem.boundaries_known else None,
        device=trial.device,
    )


class Growth:
    """Operations of a forward pass, relative to those before the method was attached.

    Make it before the method is built. Only regularizers can change the model.
    """

    def __init__(self, trial: Trial, task: Task, model: Model, train: Split) -> None:
        attached = any(kind == "regularizer" for kind, _ in trial.components)
        self._model = model
        self._inputs = _example(task, train) if attached else None
        self._before = self._operations()

    def ratio(self) -> float:
        """Operations now over those before, at least 1."""
        return max(1.0, self._operations() / self._before) if self._before else 1.0

    def _operations(self) -> int:
        return forward_operations(self._model.module, self._model.hooks, self._inputs)


def generator(trial: Trial, purpose: str) -> torch.Generator:
    """The trial's random stream for one purpose."""
    return torch.Generator().manual_seed(derive(trial.seed, purpose))


def _example(task: Task, train: Split) -> Tensor:
    """A few inputs as batches hold them; drawn from a separate random stream."""
    batches = task.problem.batches(train, task.batch_size, torch.Generator().manual_seed(0))
    return next(iter(batches))[0][:8]


def _on(split: Split | None, device: str) -> Split | None:
    return None if split is None else split.to(device)
