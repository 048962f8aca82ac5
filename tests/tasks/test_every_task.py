"""What every task promises: repeatable, the same for every method, nothing held out in reach."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from suite import optimizer
from suite.components import registry
from suite.problems.problem import Data, Problem
from suite.problems.task import Task
from suite.training.loop import run_trial
from suite.training.objective import Objective
from suite.training.seeds import derive
from suite.training.trial import Trial
from tests.suite.training.test_isolation import reachable

TASKS: list[Task] = registry.load_all("task")[0]
GENERATED = [task for task in TASKS if not task.problem.needs]
FINGERPRINTS = Path(__file__).with_name("fingerprints.json")
#: batches that are compared; full tasks are slow on a CPU
BATCHES = {"mini": 5, "full": 1}
#: held-out data drawn from the same finite set as the training data, without replacement
FINITE = ("digits", "modular_addition", "modular_division", "dihedral_composition", "split_digits")
SAMPLED = [task for task in GENERATED if task.name in FINITE]

each_task = pytest.mark.parametrize("task", GENERATED, ids=lambda task: task.name)


def load(task: Task, seed: int = 3) -> Data:
    generator = torch.Generator().manual_seed(derive(seed, "split"))
    return task.problem.data(Path("unused"), generator)


class Enough(Exception):
    """As many batches were recorded as are compared."""


class Recording(torch.optim.SGD):
    """Plain SGD that notes the first weights and batches, and then ends the trial."""

    record: ClassVar[list[torch.Tensor]] = []
    batches: ClassVar[int] = 0
    steps = 0

    def step(self, closure):
        assert isinstance(closure, Objective)
        if self.steps == self.batches:
            raise Enough
        self.steps += 1
        if not self.record:
            self.record += [p.detach().clone() for p in closure.parameters]
        self.record += [part.clone() for part in closure.batch]
        return super().step(closure)


class NoisyRecording(Recording):
    """Draws from torch's generators, trains otherwise, and asks twice: another method."""

    def step(self, closure):
        torch.rand(7)
        loss = super().step(closure)
        closure()
        return loss


@pytest.fixture
def two_methods():
    names = {"recording": Recording, "noisy_recording": NoisyRecording}
    for name, build in names.items():
        optimizer(name, build, paper="none", url="")
    yield names
    for name in names:
        del registry._registry.found["optimizer", name]


@each_task
def test_data_weights_and_batches_are_the_same_for_every_method(task, two_methods):
    records, batches = [], BATCHES[task.track]
    for name, build in two_methods.items():
        for learning_rate in (1e-4, 2e-4):
            build.record, build.batches = [], batches
            # With the whole budget in view: a stream's tasks are shares of it.
            hyperparameters = {name: {"lr": learning_rate}}
            trial = Trial(task.name, (("optimizer", name),), hyperparameters, 0, 3, "tuning")
            outcome = run_trial(trial)
            assert outcome.run.reason == "Enough: ", outcome.run.traceback
            records.append((outcome.data, build.record))
    first_data, first = records[0]
    weights = len([p for p in task.problem.model().parameters() if p.requires_grad])
    compared = weights + 2 * batches
    assert len(first) >= compared
    for data, record in records[1:]:
        assert data == first_data
        pairs = zip(first[:compared], record[:compared], strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


@each_task
def test_another_seed_draws_other_data_or_batches(task):
    draws = []
    for seed in (1, 2):
        data = load(task, seed)
        generator = torch.Generator().manual_seed(seed)
        draws.append(next(iter(task.problem.batches(data.train, task.batch_size, generator))))
    assert not torch.equal(draws[0][0], draws[1][0])


def rows(inputs: torch.Tensor) -> set[tuple[float, ...]]:
    return {tuple(row) for row in inputs.flatten(1).tolist()}


@pytest.mark.parametrize("task", SAMPLED, ids=lambda task: task.name)
def test_splits_are_disjoint(task):
    data = load(task)
    splits = [data.train, data.validation, data.test]
    found = [rows(split.inputs) for split in splits]
    assert [len(f) for f in found] == [len(split) for split in splits]
    assert len(set.union(*found)) == sum(len(split) for split in splits)


@each_task
def test_batches_and_criterion_reach_nothing_held_out(task):
    data = load(task)
    batches = iter(task.problem.batches(data.train, task.batch_size, torch.Generator()))
    next(batches)
    found = reachable(batches, task.problem.criterion)
    assert any(thing is data.train.inputs for thing in found), "the walk must see the train data"
    assert not [thing for thing in found if isinstance(thing, (Problem, Task, Data))]
    tensors = [thing for thing in found if isinstance(thing, torch.Tensor)]
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    for split in (data.validation, data.test):
        if split is not None:
            assert split.inputs.untyped_storage().data_ptr() not in storages
            assert not any(torch.equal(split.inputs, tensor) for tensor in tensors)
            assert not any(torch.equal(split.targets, tensor) for tensor in tensors)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_changed_task_has_a_new_version(task):
    """Results of one task version must stay comparable; see the message for what to do."""
    known = json.loads(FINGERPRINTS.read_text(encoding="utf-8"))
    assert known.get(task.name, {}).get(str(task.version)) == task.fingerprint, (
        f"{task.path.name} changed what {task.name} version {task.version} means. If results stay "
        f"comparable with older ones, or none are published yet, or after raising its version, "
        f"record the new fingerprint:\n  python -m tests.tasks.record_fingerprints"
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_settings_are_plain_values(task):
    """An object's address in the settings would give every process another fingerprint."""
    assert " at 0x" not in json.dumps(task.settings)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_score_knows_its_worst_value(task):
    assert math.isfinite(task.score.worst_score(task.gradient_evaluations))
