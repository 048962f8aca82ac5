"""What every task promises: repeatable, the same for every method, nothing held out in reach."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from suite import optimizer
from suite.components import registry
from suite.components.method import parse_method
from suite.data.split import Split
from suite.problems.problem import Data, Point, Problem
from suite.problems.streams import TaskStream
from suite.problems.task import TRACKS, Task
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
MINI = [task for task in TASKS if task.track == "mini"]
CLIPPED = [task for task in MINI if task.score.kind != "time_to_target"]
#: all of its rounds, tuned and tested on alike, ask for one point, which the metric's name states
SAME_ANSWER = ("adam_counterexample",)
HELD_OUT = [t for t in GENERATED if not t.problem.online and t.name not in SAME_ANSWER]
RESULT_SEEDS = (0, 1)
#: tasks that split one finite set
FINITE_SETS = (
    *("digits", "digits_batchnorm", "gradient_delay_mini"),
    *("digits_longtail", "noisy_labels_mini"),
    *("delayed_robustness_mini", "double_descent_mini", "double_descent_rf", "large_init_grok"),
    *("split_digits", "split_digits_task", "rotated_digits", "stability_gap_digits"),
    *("class_incremental_growth", "scole_digits", "pvr_boolean", "ungrokking"),
    *("modular_addition", "modular_subtraction", "modular_multiplication", "modular_division"),
    *("dihedral_composition", "modular_addition_quadratic", "product_group_quadratic"),
    # generated from so small a space that a row may be drawn twice
    *("sparse_parity", "lm_markov", "lm_data_constrained_mini", "lm_induction"),
    # the short ones
    *("noisy_labels_short", "modular_addition_short", "pvr_boolean_short"),
    *("lm_markov_short", "lm_data_constrained_short", "lm_induction_short"),
    # other sizes
    *("digits_wide", "digits_batch_50", "digits_budget_5x", "modular_addition_wide"),
    *("lm_markov_wide", "lm_markov_short_batch_8", "lm_markov_short_batch_16"),
    *("lm_markov_short_batch_128", "lm_markov_short_budget_4x"),
    *("lm_data_constrained_short_batch_8", "lm_data_constrained_short_batch_128"),
)
FINITE = [task for task in TASKS if task.name in FINITE_SETS]
#: without replacement
SAMPLED = ("digits", "modular_addition", "modular_division", "dihedral_composition", "split_digits")

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
        registry.forget("optimizer", name)


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
            assert outcome.run.reason.startswith("Enough (in "), outcome.run.traceback
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


@pytest.mark.parametrize(
    "task", [t for t in TASKS if t.name in SAMPLED], ids=lambda task: task.name
)
def test_splits_are_disjoint(task):
    data = load(task)
    splits = [data.train, data.validation, data.test]
    found = [rows(split.inputs) for split in splits]
    assert [len(f) for f in found] == [len(split) for split in splits]
    assert len(set.union(*found)) == sum(len(split) for split in splits)


@each_task
def test_batches_restriction_and_criterion_reach_nothing_held_out(task):
    data = load(task)
    batches = iter(task.problem.batches(data.train, task.batch_size, torch.Generator()))
    next(batches)
    found = reachable(batches, task.problem.criterion, task.problem.restrict)
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


def test_the_family_is_the_folder_and_there_are_five():
    assert {task.name: task.family for task in TASKS} == {
        task.name: task.path.parent.name for task in TASKS
    }
    families = {"vision", "algorithmic", "language", "continual", "theory"}
    assert {task.family for task in TASKS} == families


def test_core_tasks_are_those_that_the_standings_count():
    """A change of the core changes every standing of the track."""
    core = {track: {t.name for t in TASKS if t.core and t.track == track} for track in TRACKS}
    assert core == {
        "mini": {
            *("digits", "mnist1d_short", "noisy_labels_short"),
            *("modular_addition_short", "pvr_boolean_short", "sparse_parity"),
            *("lm_data_constrained_short", "lm_induction_short", "lm_markov_short"),
            *("class_incremental_growth", "permuted_digits_short", "rotated_digits"),
            *("hierarchical_polynomial_short", "matrix_sensing", "xor_cluster_short"),
        },
        "full": {"cifar10", "cifar10_mini"},
    }


@pytest.mark.parametrize("task", MINI, ids=lambda task: task.name)
def test_every_mini_task_names_a_contrast_of_known_methods(task):
    assert task.contrast is not None
    for method in task.contrast:
        assert parse_method(method).name == method


@each_task
def test_a_stream_is_a_task_whose_batches_are_one(task):
    batches = task.problem.batches(load(task).train, task.batch_size, torch.Generator())
    assert task.stream == isinstance(iter(batches), TaskStream)


def test_tasks_that_need_data_are_streams_if_their_file_says_so():
    """Without their data: whether the module that makes their batches uses a TaskStream."""
    for task in TASKS:
        if task.problem.needs:
            module = sys.modules[type(task.problem).batches.__module__]
            assert task.stream == hasattr(module, "TaskStream"), task.name


def held_out_rows(task: Task, split: Split) -> set[bytes]:
    """The inputs of a held-out split, a row each, without what is known to be trained on."""
    if task.name.startswith("ungrokking"):
        # Measured beside the held-out cells are facts of training that must be remembered.
        split = Split(*(part[split.inputs[:, 0] != task.problem.modulus] for part in parts(split)))
    return {row.tobytes() for row in split.inputs.flatten(1).numpy()}


def parts(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    return split.inputs, split.targets


@pytest.mark.parametrize("task", HELD_OUT, ids=lambda task: task.name)
def test_no_tuning_trial_has_seen_a_test_row(task):
    """Neither trained nor tuned on, whatever the result seed; and test rows are the task's."""
    tuning = [load(task, derive(seed, "tuning", 0)) for seed in RESULT_SEEDS]
    runs = [load(task, derive(seed, "evaluation", n)) for seed in RESULT_SEEDS for n in range(2)]
    tested = [held_out_rows(task, data.test) for data in runs]
    for data in tuning:
        seen = held_out_rows(task, data.train) | held_out_rows(task, data.validation)
        assert not [rows for rows in tested if rows & seen]
    first, *others = tested
    for rows in others:
        assert rows == first or rows.isdisjoint(first), "neither the task's own nor drawn afresh"


@pytest.mark.parametrize("task", FINITE, ids=lambda task: task.name)
def test_test_rows_of_a_finite_set_are_the_same_for_every_seed(task):
    first, second = load(task, 1), load(task, 2)
    assert held_out_rows(task, first.test) == held_out_rows(task, second.test)
    assert held_out_rows(task, first.train) != held_out_rows(task, second.train)


@each_task
def test_batches_share_no_memory_with_the_training_data(task):
    train = load(task).train
    batches = iter(task.problem.batches(train, task.batch_size, torch.Generator()))
    batch, after = next(batches), next(batches)
    storages = {part.untyped_storage().data_ptr() for part in (*parts(train), *after)}
    for part in batch:
        assert part.untyped_storage().data_ptr() not in storages
        assert part.untyped_storage().nbytes() <= sum(p.numel() * p.element_size() for p in batch)


#: scores that the metric itself bounds: nothing is clipped there
BOUNDED = {"mean_error": 1.0, "overlap": 0.0, "wc_acc": 0.0}


def untrained(task: Task, seed: int) -> float:
    """The score's metric of an untrained model: on the test split, online on the first batch."""
    problem, data = task.problem, load(task, seed)
    split = data.test
    if problem.online:
        generator = torch.Generator().manual_seed(seed)
        split = Split(*next(iter(problem.batches(data.train, task.batch_size, generator))))
    torch.manual_seed(seed)
    model = problem.model()
    problem.initialize(model, data.train)
    with torch.no_grad():
        metrics = problem.evaluate(model.eval(), split)
    metrics |= problem.summarize([Point(0.0, metrics)])
    return metrics[task.score.metric]


@pytest.mark.parametrize("task", CLIPPED, ids=lambda task: task.name)
def test_the_worst_score_lies_beyond_where_training_begins(task):
    """Scores are clipped there: a slow run, an exploding and a failed one must not tie."""
    worst, higher = task.score.worst, task.score.higher_is_better
    first = [untrained(task, seed) for seed in range(3)]
    bound = 0.0 if task.score.metric.endswith("accuracy") else BOUNDED.get(task.score.metric)
    if bound is not None:
        assert worst == bound
        assert all(value >= worst if higher else value <= worst for value in first)
    else:
        assert not higher
        assert all(value <= worst - 0.4 * abs(worst) for value in first)
