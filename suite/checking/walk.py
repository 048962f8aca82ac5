"""Walks: some steps of a method on a ground, taken as a trial takes them."""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from suite.checking.subject import Way
from suite.components.method import Parts
from suite.components.search import Value
from suite.problems.task import Task
from suite.training import setup
from suite.training.batch_source import Batch, BatchSource
from suite.training.evaluator import Averages, Evaluator, ModuleHooks, switch_optimizer
from suite.training.meter import Ledger, meter, unmeter
from suite.training.objective import Objective
from suite.training.repeatable import make_repeatable, seed_everything
from suite.training.seeds import derive
from suite.training.steps import Steps
from suite.training.trial import Trial

SEED = 0
#: a step may ask for that many times its share of the budget
_SPARE = 1000
#: steps between two evaluations
EVALUATE_EVERY = 4

#: what is left of one step: the bits of all weights and, now and then, an evaluation
Shown = tuple[Tensor, dict[str, float]]
ChangeModel = Callable[[nn.Module], None]
ChangeBatch = Callable[[int, Batch], Batch]


class Walk:
    """A method at the start of a trial on a ground, ready to take its steps.

    `change_model` changes the new model before the method sees it, `change_batch` a batch, given
    its number. `batches` are those of another walk, to go on with.
    """

    def __init__(
        self,
        way: Way,
        task: Task,
        values: Mapping[str, Value] | None = None,
        *,
        change_model: ChangeModel | None = None,
        change_batch: ChangeBatch | None = None,
        batches: Iterator[Batch] | None = None,
        method_seed: int = SEED,
    ) -> None:
        make_repeatable(threads=1)
        self.task = task
        self.count = 0
        self.total = round(task.gradient_evaluations)
        trial = Trial(
            task=task.name,
            components=way.names,
            hyperparameters=way.hyperparameters(values or {}),
            number=0,
            seed=method_seed,
            purpose="tuning",
        )
        problem = task.problem
        data = problem.data(task.path, torch.Generator())
        seed_everything(derive(SEED, "initialization"), "cpu")
        self.module = problem.model()
        if change_model is not None:
            change_model(self.module)
        if batches is None:
            generator = torch.Generator().manual_seed(derive(SEED, "batches"))
            batches = iter(problem.batches(data.train, task.batch_size, generator))
        self.batches = batches
        model = setup.Model(self.module, batches, ModuleHooks(self.module), 0.0)
        info = setup.task_info(trial, task, model, data.train)
        self.generator = info.generator
        self.parts: Parts = setup.build_method(trial, task, model, data.train, info)
        self.budget = float(task.budget * _SPARE)
        self.ledger = Ledger(self.budget)
        meter(self.module, self.ledger)
        self._source = _Source(
            batches, self.ledger, before_draw=self._before_draw, changing=self._changing
        )
        self._source.change = change_batch
        self.objective = Objective(
            self.module,
            problem.criterion,
            self._source.key,
            self.ledger,
            self.parts.regularizers,
            create_graph=self.parts.create_graph,
        )
        self.steps = Steps(self.module, self.parts, self.objective)
        self._evaluator = Evaluator(
            problem,
            self.module,
            self.parts.optimizer,
            self.parts.regularizers,
            {"validation": data.validation},
            _Free(self.ledger),
            model.hooks,
            Averages(self.steps, self._source),
        )
        switch_optimizer(self.parts.optimizer, training=True)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of the method."""
        return self.parts.optimizer

    def start(self) -> Walk:
        """What comes before the first step."""
        self.steps.start()
        return self

    def step(self) -> None:
        """One step, and the average after it."""
        self.steps.take(self._progress)
        self.steps.take_average()
        if self.ledger.ended is not None:  # the method caught it
            raise self.ledger.ended
        self.count += 1
        # Progress follows the steps: a method that evaluates several times a step is not cut off,
        # nor is what it does for the evaluation after the last one.
        share = min(self.count / self.total, 1 - 0.25 / self.total)
        self.ledger.spent = self.budget * share

    def show(self) -> Shown:
        """The bits of the weights now and, after every fourth step, an evaluation."""
        found: dict[str, float] = {}
        if self.count % EVALUATE_EVERY == 0 or self.count == self.total:
            spent = self.ledger.spent
            found = self._evaluator.measure(self._progress)["validation"]
            self.ledger.spent = spent
        return bits(self.module), found

    def trajectory(self, steps: int | None = None) -> list[Shown]:
        """Take all steps, or some; returns what is left of each."""
        self.start()
        found = []
        for _ in range(self.total if steps is None else steps):
            self.step()
            found.append(self.show())
        self.close()
        return found

    def close(self) -> None:
        """Free the model."""
        self._source.close()
        unmeter(self.module)

    @property
    def _progress(self) -> float:
        return min(1.0, self.ledger.spent / self.budget)

    def _before_draw(self) -> None:
        for regularizer in self.parts.regularizers:
            regularizer.progress = self._progress

    def _changing(self, task: int) -> None:
        if self.task.problem.boundaries_known:
            self.steps.change_task(task)


class _Source(BatchSource):
    """Batches that are changed after they are drawn."""

    change: ChangeBatch | None = None
    count = 0

    def draw(self) -> Batch:
        batch = super().draw()
        if self.change is not None:
            batch = self.change(self.count, batch)
            self.count += 1
        return batch


class _Free(AbstractContextManager[None]):
    """Inside, the suite measures: nothing is charged."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __enter__(self) -> None:
        self._ledger.measuring = True

    def __exit__(self, *error: object) -> None:
        self._ledger.measuring = False


def bits(module: nn.Module) -> Tensor:
    """A copy of all parameters as bytes: NaN equals NaN, and 0 is not -0."""
    parts = [
        (torch.view_as_real(p) if p.is_complex() else p).detach().contiguous().view(-1)
        for p in module.parameters()
    ]
    return torch.cat([part.view(torch.uint8) for part in parts])


def same(one: Shown, other: Shown) -> bool:
    """Whether two steps left the same bits."""
    return torch.equal(one[0], other[0]) and repr(one[1]) == repr(other[1])


def first_difference(walk: Walk, expected: list[Shown]) -> int | None:
    """Take steps until one differs from what is expected; its number, counted from 1."""
    walk.start()
    try:
        for number, wanted in enumerate(expected, start=1):
            walk.step()
            if not same(walk.show(), wanted):
                return number
        return None
    finally:
        walk.close()


def moved(before: list[Tensor], module: nn.Module) -> bool:
    """Whether any parameter differs from its copy before."""
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def copies(module: nn.Module) -> list[Tensor]:
    """Copies of the parameters, in order."""
    return [p.detach().clone() for p in module.parameters()]


def all_finite(module: nn.Module) -> bool:
    """Whether no weight is infinite or NaN."""
    return all(bool(p.isfinite().all()) for p in module.parameters())


class Saved:
    """The state of an optimizer and of all else in a walk, between two steps."""

    def __init__(self, walk: Walk) -> None:
        # Written and read as a file: what cannot be, is no state.
        self._optimizer = _through_file(walk.optimizer.state_dict())
        self._model = copy.deepcopy(walk.module.state_dict())
        self._random = torch.get_rng_state(), random.getstate(), np.random.get_state()
        self._own = walk.generator.get_state()
        self._spent, self._count = walk.ledger.spent, walk.count

    def load(self, walk: Walk) -> None:
        """Put it into a walk that has taken no step."""
        walk.module.load_state_dict(self._model)
        walk.optimizer.load_state_dict(self._optimizer)
        torch.set_rng_state(self._random[0])
        random.setstate(self._random[1])
        np.random.set_state(self._random[2])
        walk.generator.set_state(self._own)
        walk.ledger.spent, walk.count, walk.steps.count = self._spent, self._count, self._count


def _through_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Inside, global random streams may be seeded; afterwards they go on as before."""
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
