"""A method can reach neither validation nor test data, nor the task, nor the scorer."""

from __future__ import annotations

import gc
import sys
import types
from collections import deque
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from suite import optimizer, regularizer
from suite.components import registry
from suite.components.regularizer import Regularizer
from suite.data.split import Split
from suite.problems.problem import Data, Problem
from suite.problems.task import Task
from suite.training.evaluator import Evaluator
from suite.training.loop import run_trial
from suite.training.recorder import Recorder
from suite.training.seeds import derive
from suite.training.trial import Trial
from tests.commands import TINY

_IMPORTABLE = (types.ModuleType, type, types.FrameType, types.CodeType)


def reachable(*roots: object) -> list[object]:
    """Everything that can be reached from some objects without importing or naming a module."""
    seen: dict[int, object] = {}
    waiting = deque(roots)
    # A module's own dictionary is what `import` gives anybody; it is not handed to the method.
    skipped = {id(vars(module)) for module in list(sys.modules.values()) if module is not None}
    while waiting:
        thing = waiting.popleft()
        if id(thing) in seen or id(thing) in skipped or isinstance(thing, _IMPORTABLE):
            continue
        # That of a module which was imported again: another test may have done so.
        if isinstance(thing, dict) and {"__builtins__", "__spec__"} <= thing.keys():
            continue
        seen[id(thing)] = thing
        waiting.extend(gc.get_referents(thing))
        if isinstance(thing, torch.Tensor):
            # Python does not know what a tensor is a part of, but whoever has it does.
            waiting.extend(part for part in (thing.grad_fn, thing._base) if part is not None)
    return list(seen.values())


class Walker:
    """Remembers everything it could reach from what it was handed."""

    found: ClassVar[list[object]] = []

    def look(self, *handed: object) -> None:
        Walker.found = reachable(*handed)


class CheatingOptimizer(torch.optim.SGD, Walker):
    def step(self, closure):
        self.look(self, closure, self.param_groups)
        return super().step(closure)


class CheatingRegularizer(Regularizer, Walker):
    def attach(self, model, info):
        self.handed = [model, info]

    def criterion(self, outputs, targets, default):
        self.handed += [outputs, targets, default]
        return default(outputs, targets)

    def evaluate(self, evaluate, parameters):
        self.handed += [evaluate, parameters]
        return evaluate()

    def after_step(self, model, optimizer):
        self.look(self, model, optimizer, *self.handed)
        self.handed = self.handed[:2]


def rows(tensor: torch.Tensor) -> set[tuple[object, ...]]:
    flat = tensor.detach().cpu().reshape(len(tensor), -1)
    return {(flat.dtype, *row) for row in flat.tolist()}


def data_of(task: Task, trial: Trial) -> Data:
    generator = torch.Generator().manual_seed(derive(trial.seed, "split"))
    return task.problem.data(Path(trial.data_folder), generator)


def held_out_rows(task: Task, trial: Trial) -> set[tuple[object, ...]]:
    """Rows that are in the validation or test data, and not also in the training data."""
    data = data_of(task, trial)
    return (rows(data.validation.inputs) | rows(data.test.inputs)) - rows(data.train.inputs)


@pytest.fixture(params=["optimizer", "regularizer"])
def cheat(request):
    about = {"paper": "none", "url": "", "summary": "Walks."}
    optimizer("cheating_optimizer", CheatingOptimizer, **about)
    regularizer("cheating_regularizer", CheatingRegularizer, **about)
    components = (("optimizer", "cheating_optimizer"),)
    if request.param == "regularizer":
        components = (("optimizer", "sgd"), ("regularizer", "cheating_regularizer"))
    yield components
    for key in [("optimizer", "cheating_optimizer"), ("regularizer", "cheating_regularizer")]:
        registry.forget(*key)


@pytest.mark.parametrize("task_name", ["modular_addition", "digits", "lm_markov", TINY])
def test_a_cheating_method_reaches_no_held_out_data(cheat, task_name):
    if task_name == TINY:
        task_name = registry.load_file(TINY)[0].name
    task = registry.get("task", task_name)
    hyperparameters = {name: {} for _, name in cheat}
    for kind, name in cheat:
        hyperparameters[name] = registry.get(kind, name).defaults
    if cheat[0][1] == "cheating_optimizer":
        hyperparameters["cheating_optimizer"] = {"lr": 0.01}
    trial = Trial(task_name, cheat, hyperparameters, 0, 7, "evaluation", budget_fraction=0.02)
    outcome = run_trial(trial)
    assert outcome.run.status == "completed", outcome.run.traceback
    found = Walker.found
    assert len(found) > 100
    assert not [f for f in found if isinstance(f, (Problem, Task, Evaluator, Recorder))]
    held_out = held_out_rows(task, trial)
    assert len(held_out) > 100
    tensors = [f for f in found if isinstance(f, torch.Tensor) and f.ndim >= 2]
    assert any(rows(tensor) for tensor in tensors)
    for tensor in tensors:
        assert not rows(tensor) & held_out, f"held-out rows in a tensor of {tuple(tensor.shape)}"


@pytest.mark.parametrize("task_name", ["digits", "mnist1d", "permuted_digits", TINY])
def test_a_method_reaches_no_training_data_beyond_its_batch(cheat, task_name):
    """Nor what its batch is a part of: on a stream that would be the labels to come."""
    if task_name == TINY:
        task_name = registry.load_file(TINY)[0].name
    task = registry.get("task", task_name)
    hyperparameters = {name: registry.get(kind, name).defaults for kind, name in cheat}
    if cheat[0][1] == "cheating_optimizer":
        hyperparameters["cheating_optimizer"] = {"lr": 0.01}
    trial = Trial(task_name, cheat, hyperparameters, 0, 7, "evaluation", budget_fraction=0.1)
    outcome = run_trial(trial)
    assert outcome.run.status in ("completed", "failed"), outcome.run.traceback
    tensors = [f for f in Walker.found if isinstance(f, torch.Tensor) and f.ndim >= 2]
    # Rows of one batch, and of the batch that a regularizer's hooks had before.
    width = data_of(task, trial).train.inputs.shape[1:].numel()
    found = {row for t in tensors if t[0].numel() == width for row in rows(t)}
    training = rows(data_of(task, trial).train.inputs)
    if task_name == "permuted_digits":  # its pixels are permuted: count rows of any order
        training = {tuple(sorted(row[1:])) for row in training}
        found = {tuple(sorted(row[1:])) for row in found}
    reached = len(found & training)
    assert 0 < reached <= task.batch_size
    for tensor in tensors:
        whole = tensor.untyped_storage().nbytes()
        assert whole <= max(tensor.nbytes, 8) or tensor.requires_grad, tuple(tensor.shape)


def test_the_walk_would_find_what_is_reachable():
    split = Split(torch.rand(3, 2), torch.zeros(3))

    def batches():
        yield split.inputs

    generator = batches()
    next(generator)
    assert any(isinstance(thing, Split) for thing in reachable(lambda: split))
    assert any(thing is split.inputs for thing in reachable(generator, {"a": [split.inputs]}))
