"""The batch is the unit: how training is divided into steps changes no score and hides nothing."""

from __future__ import annotations

import itertools
from typing import ClassVar

import pytest
import torch

from suite import Regularizer
from suite.components import registry
from suite.problems.streams import TaskStream
from suite.training import batch_source
from suite.training.batch_source import BatchSource, TaskSkipped
from suite.training.loop import run_trial
from suite.training.meter import BudgetSpent, Ledger
from suite.training.trial import Trial
from tests.commands import TINY
from tests.methods import registered_methods


class Chunked(torch.optim.SGD):
    """The updates of SGD, `chunk` of them in one call of step()."""

    def __init__(self, params, lr=0.1, chunk=1):
        super().__init__(params, lr=lr)
        self.chunk = chunk

    def step(self, closure):
        for number in range(self.chunk):
            if number:
                closure.next_batch()
            loss = super().step(closure)
        return loss


class Scripted(torch.optim.SGD):
    """A step makes as many gradient evaluations of its batch as a script says."""

    script: ClassVar[list[int]] = []

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)
        self.costs = itertools.chain(Scripted.script, itertools.repeat(1))

    def step(self, closure):
        for _ in range(next(self.costs)):
            loss = super().step(closure)
        return loss


class Swallows(Scripted):
    """Catches everything that it can, and goes on."""

    def step(self, closure):
        try:
            return super().step(closure)
        except BaseException:
            return None


class Listener(Regularizer):
    heard: ClassVar[list[float]] = []

    def on_task_change(self, model):
        Listener.heard.append(self.progress)


@pytest.fixture
def run():
    tiny = registry.load_file(TINY)[0].name

    def trial(steps, task=tiny, hook=None, fraction=1.0, purpose="tuning", **values):
        declare(steps, hook)
        components = [("optimizer", "hidden_steps")]
        hyperparameters = {"hidden_steps": {"lr": 0.05, **values}}
        if hook is not None:
            components.append(("regularizer", "hidden_hook"))
            hyperparameters["hidden_hook"] = {}
        planned = Trial(task, tuple(components), hyperparameters, 0, 7, purpose, fraction)
        return run_trial(planned).run

    with registered_methods() as declare:
        Scripted.script, Listener.heard = [], []
        yield trial


# -- held-out metrics -----------------------------------------------------------------------------


def test_a_curve_begins_before_training_and_has_every_point(run):
    curve = run(Scripted).curve
    assert curve.gradient_evaluations == [float(at) for at in range(0, 121, 10)]
    assert curve.train_loss[0] is None
    assert curve.validation["loss"][0] > curve.validation["loss"][-1]


@pytest.mark.parametrize("chunk", [20, 100, 120])
def test_points_that_a_step_passed_have_the_metric_from_before_it(run, chunk):
    whole, chunked = run(Chunked, chunk=1), run(Chunked, chunk=chunk)
    assert chunked.status == "completed"
    at = chunked.curve.gradient_evaluations
    assert at == whole.curve.gradient_evaluations
    losses, same = chunked.curve.validation["loss"], whole.curve.validation["loss"]
    for i, spent in enumerate(at):
        measured = spent // chunk * chunk  # the end of the last whole step
        assert losses[i] == same[at.index(measured)], spent


@pytest.mark.parametrize("task", ["digits", "permuted_digits"])
def test_a_long_step_never_gains_a_mean(run, task):
    fraction = 1.0 if task == "digits" else 0.05
    whole = run(Chunked, task=task, fraction=fraction, chunk=1, purpose="evaluation")
    chunked = run(Chunked, task=task, fraction=fraction, chunk=20, purpose="evaluation")
    assert whole.status == chunked.status == "completed"
    if task == "digits":  # the loss falls, and the metric from before a step is the worse one
        assert chunked.test_score > whole.test_score
    else:  # every batch is measured before it is trained on, wherever it is drawn
        assert chunked.test_score == pytest.approx(whole.test_score, rel=1e-4)


# -- the end of the budget ------------------------------------------------------------------------


def test_a_dear_last_step_does_not_count(run):
    Scripted.script = [1] * 115 + [12]
    ended = run(Scripted)
    assert ended.status == "completed"
    assert ended.cost.steps == 115
    assert ended.cost.gradient_evaluations <= 120
    assert ended.curve.gradient_evaluations[-1] == 120
    # The score is the last metric that was measured inside the budget, at 110.
    losses = ended.curve.validation["loss"]
    assert ended.validation_score == losses[-1] == losses[-2]


def test_a_cheap_step_that_fits_is_made_after_a_dear_one(run):
    Scripted.script = [1] * 100 + [15]
    ended = run(Scripted)
    assert ended.cost.steps == 101 + 5
    assert ended.cost.gradient_evaluations == 120


def test_the_last_model_of_dear_steps_is_measured(run):
    Scripted.script = [7] * 20
    ended = run(Scripted)
    assert ended.cost.steps == 17  # 119 of 120
    assert ended.curve.gradient_evaluations[-1] == 119
    assert len(ended.curve.gradient_evaluations) == 13


def test_what_a_method_does_after_it_was_cut_off_does_not_count(run):
    Scripted.script = [1] * 100 + [21]
    fair = run(Scripted)
    Scripted.script = [1] * 100 + [21]
    caught = run(Swallows)
    assert caught.status == "completed"
    assert caught.curve == fair.curve.model_copy(update={"seconds": caught.curve.seconds})
    assert caught.cost.gradient_evaluations <= 120


def test_a_first_step_beyond_the_budget_fails(run):
    Scripted.script = [121]
    failed = run(Scripted)
    assert failed.status == "failed"
    assert "whole budget of 120 gradient evaluations" in failed.reason


def test_looking_at_data_spends_the_budget(run):
    class Looks(torch.optim.SGD):
        def step(self, closure):
            for _ in range(20_000):
                closure.next_batch()
            return super().step(closure)

    failed = run(Looks)
    assert failed.status == "failed"
    assert failed.cost.gradient_evaluations == pytest.approx(120, abs=0.4)


# -- streams --------------------------------------------------------------------------------------


def batches_of(task, generator):
    while True:
        yield torch.full((3, 1), float(task)), torch.zeros(3)


def source_of(tasks, budget, **calls):
    stream = TaskStream(tasks, batches_of, torch.Generator().manual_seed(0))
    ledger = Ledger(budget)
    return BatchSource(stream, ledger, **calls), ledger


def test_a_stream_follows_the_budget_at_every_draw():
    heard = []
    source, ledger = source_of(4, 12.0, changing=heard.append)
    seen = []
    for _ in range(12):
        inputs, _ = source.draw()
        seen.append(int(inputs[0]))
        ledger.charge(1.0)
    assert seen == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert heard == [1, 2, 3]
    source.finish()


def test_a_task_without_a_batch_ends_the_trial():
    source, ledger = source_of(4, 12.0)
    source.draw()
    ledger.charge(6.0)
    with pytest.raises(TaskSkipped, match="never got a batch of task 2 of 4"):
        source.draw()
    with pytest.raises(TaskSkipped):  # also if the method caught it
        ledger.charge(1.0)


def test_a_stream_that_did_not_come_to_its_end_has_skipped_the_rest():
    source, ledger = source_of(4, 12.0)
    source.draw()
    ledger.charge(12.0)
    with pytest.raises(TaskSkipped, match="never got a batch of task 2 of 4"):
        source.finish()


def test_a_draw_ends_the_trial_when_the_budget_is_spent():
    source, _ = source_of(1, 6.0)
    for _ in range(7):  # six were not used and cost a third of three examples each
        source.draw()
    with pytest.raises(BudgetSpent):
        source.draw()


def test_the_source_of_an_objective_is_found_by_its_key():
    source, _ = source_of(1, 6.0)
    assert batch_source.draw(source.key)[0].shape == (3, 1)
    source.close()
    with pytest.raises(KeyError):
        batch_source.draw(source.key)


def test_one_step_as_long_as_the_budget_does_not_skip_tasks_unseen(run):
    class OneBatch(torch.optim.SGD):
        """Stays with its first batch: one step of the whole budget."""

        def step(self, closure):
            while True:
                super().step(closure)

    failed = run(OneBatch, task="split_digits", purpose="evaluation")
    assert failed.status == "failed"
    assert failed.cost.steps == 0


def test_a_step_of_many_batches_meets_every_task_and_hears_of_it(run):
    ended = run(Chunked, task="split_digits", hook=Listener, chunk=30, purpose="evaluation")
    assert ended.status == "completed"
    assert Listener.heard == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_staying_with_one_batch_beyond_a_tasks_share_fails(run):
    Scripted.script = [60]
    failed = run(Scripted, task="split_digits", purpose="evaluation")
    assert failed.status == "failed"
    assert "never got a batch of task" in failed.reason


def test_an_online_run_that_is_cut_off_has_its_last_batches(run):
    Scripted.script = [1] * 477 + [50]
    ended = run(Scripted, task="permuted_digits", fraction=0.01, purpose="evaluation")
    assert ended.status == "completed", ended.reason
    assert ended.cost.steps == 477
    assert ended.curve.gradient_evaluations == [0, 120, 240, 360, 480]


@pytest.mark.parametrize("skip", [False, True])
def test_plasticity_is_0_where_nothing_is_learned(run, skip):
    class Twice(torch.optim.SGD):
        def step(self, closure):
            loss = super().step(closure)
            if skip:
                closure.next_batch()
            return loss

    curve = run(Twice, task="label_permuted_digits", fraction=0.1, purpose="evaluation", lr=0.0)
    assert curve.status == "completed"
    assert set(curve.curve.test["plasticity"]) == {0.0}
