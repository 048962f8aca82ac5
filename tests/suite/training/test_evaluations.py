"""Free is one forward pass by the suite; an evaluation changes nothing and shows nothing."""

from __future__ import annotations

import copy
from typing import ClassVar

import pytest
import torch
from torch import nn

from suite import Regularizer
from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.commands import TINY
from tests.methods import registered_methods

EVALUATIONS = 13


@pytest.fixture
def run():
    task = registry.load_file(TINY)[0].name

    def trial(steps, hook=None, task=task, fraction=1.0, purpose="evaluation"):
        declare(steps, hook)
        components, values = [("optimizer", "hidden_steps")], {"hidden_steps": {"lr": 0.05}}
        if hook is not None:
            components.append(("regularizer", "hidden_hook"))
            values["hidden_hook"] = {}
        return run_trial(Trial(task, tuple(components), values, 0, 7, purpose, fraction)).run

    with registered_methods() as declare:
        yield trial


# -- what a method does for an evaluation is charged and timed ------------------------------------


class Recalibrates(Regularizer):
    """Passes the last batch through a copy of the model, four times an evaluation."""

    def attach(self, model, info):
        self.inputs = []
        model.register_forward_pre_hook(lambda module, inputs: self.inputs.append(inputs[0]))

    def averaged(self, model):
        other = copy.deepcopy(model)
        for _ in range(4 if self.inputs else 0):
            other(self.inputs[-1])
        return other


def test_the_work_of_averaging_is_charged(run):
    alone, recalibrated = run(torch.optim.SGD), run(torch.optim.SGD, Recalibrates)
    assert recalibrated.status == "completed"
    assert alone.cost.steps == 120
    # The first evaluation has no batch yet; each of the others costs 4/3 of a batch.
    assert recalibrated.cost.gradient_evaluations <= 120
    charged = recalibrated.cost.gradient_evaluations - recalibrated.cost.steps
    assert charged >= 4 / 3 * (EVALUATIONS - 2)
    assert recalibrated.cost.steps < 120


class TrainsInEval(torch.optim.SGD):
    """Makes ten steps more whenever it is told of an evaluation."""

    objective = None

    def step(self, closure):
        self.objective = closure
        return super().step(closure)

    def eval(self):
        for _ in range(10 if self.objective else 0):
            super().step(self.objective)


def test_the_work_of_an_optimizers_eval_is_charged(run):
    ended = run(TrainsInEval)
    assert ended.status == "completed"
    assert ended.cost.steps == 60  # every tenth step is followed by ten of those
    assert ended.cost.gradient_evaluations <= 120


class SleepsInEval(torch.optim.SGD):
    def eval(self):
        import time

        time.sleep(0.02)


def test_the_time_of_an_optimizers_eval_is_training_time(run):
    ended = run(SleepsInEval)
    assert ended.cost.seconds >= 0.02 * (EVALUATIONS - 1)
    # A process that sleeps, or waits for others, is not busy.
    assert 0 < ended.cost.step_cost < 5


class SlowHeldOut(Regularizer):
    hooks_in_evaluation = True

    def attach(self, model, info):
        import time

        model.register_forward_hook(lambda m, i, o: None if m.training else time.sleep(0.02))


def test_the_time_of_an_evaluation_is_not_training_time(run):
    ended = run(torch.optim.SGD, SlowHeldOut)
    assert ended.cost.evaluation_seconds >= 2 * 0.02 * EVALUATIONS
    plain = run(torch.optim.SGD)
    assert ended.cost.seconds < plain.cost.seconds + 0.02 * EVALUATIONS


class WorksInDeclaredHook(Regularizer):
    """A hook that may run in evaluations asks for another forward pass in there."""

    hooks_in_evaluation = True

    def attach(self, model, info):
        self.inside = False
        model[0].register_forward_hook(lambda *about: self.again(model, about[1][0]))

    def again(self, model, inputs):
        if not model.training and not self.inside:
            self.inside = True
            model(inputs)
            self.inside = False


def test_a_second_forward_pass_inside_an_evaluation_is_charged(run):
    ended = run(torch.optim.SGD, WorksInDeclaredHook)
    assert ended.cost.steps < 120


# -- held-out inputs are out of reach of hooks ----------------------------------------------------


class Spy(Regularizer):
    """Counts the rows that its hooks see in evaluation mode."""

    seen: ClassVar[dict[str, int]] = {}

    def attach(self, model, info):
        def see(place):
            def count(module, inputs, *outputs):
                if not module.training:
                    Spy.seen[place] = Spy.seen.get(place, 0) + len(inputs[0])

            return count

        model.register_forward_pre_hook(see("before the model"))
        model[0].register_forward_hook(see("after a layer"))
        for module in model:
            module.register_forward_pre_hook(see("before a layer"))
        self.handles = [
            nn.modules.module.register_module_forward_hook(see("after any module")),
            nn.modules.module.register_module_forward_pre_hook(see("before any module")),
        ]

    def after_step(self, model, optimizer):
        if self.progress > 0.9:
            for handle in self.handles:
                handle.remove()


class DeclaredSpy(Spy):
    hooks_in_evaluation = True


@pytest.mark.parametrize("task", [None, "permuted_digits"])
def test_a_methods_hooks_are_off_during_evaluation(run, task):
    Spy.seen = {}
    where = {} if task is None else {"task": task, "fraction": 0.02}
    assert run(torch.optim.SGD, Spy, **where).status in ("completed", "failed")
    assert Spy.seen == {}


def test_a_method_may_declare_that_its_hooks_run_in_evaluation(run):
    Spy.seen = {}
    assert run(torch.optim.SGD, DeclaredSpy).status == "completed"
    assert Spy.seen["after a layer"] > 0


class CountsTraining(Regularizer):
    rows: ClassVar[int] = 0

    def attach(self, model, info):
        model.register_forward_hook(self.count)

    def count(self, module, inputs, output):
        CountsTraining.rows += len(inputs[0])


def test_hooks_are_back_after_an_evaluation(run):
    CountsTraining.rows = 0
    run(torch.optim.SGD, CountsTraining)
    assert CountsTraining.rows == 120 * 32


# -- an evaluation leaves everything as it was ----------------------------------------------------


class ChangesInAverage(Regularizer):
    hooks_in_evaluation = True

    def attach(self, model, info):
        def change(module, inputs):
            if not module.training:
                self.how(model)

        model.register_forward_pre_hook(change)


def in_place(model):
    with torch.no_grad():
        model[0].weight.add_(1e-3)


def by_data(model):
    model[0].weight.data.add_(1e-3)


def replaced(model):
    model[0].weight = nn.Parameter(model[0].weight.detach().clone())


def buffer(model):
    model.register_buffer("memory", torch.ones(1))


def hook(model):
    model[0].register_forward_hook(lambda *about: None)


HOWS = [in_place, by_data, replaced, buffer, hook]


@pytest.mark.parametrize("how", HOWS, ids=lambda f: f.__name__)
def test_a_model_that_changes_during_an_evaluation_fails_the_trial(run, how):
    class Changes(ChangesInAverage):
        def how(self, model):
            how(model)

    failed = run(torch.optim.SGD, Changes)
    assert failed.status == "failed"
    assert "ModelChanged" in failed.reason
    assert {"buffer": "memory", "hook": "hook"}.get(how.__name__, "0.weight") in failed.reason


class Freezes(Regularizer):
    """Puts a part of the model into evaluation mode for good, as frozen batch norm is."""

    modes: ClassVar[set[bool]] = set()

    def attach(self, model, info):
        model[1].eval()

    def after_step(self, model, optimizer):
        Freezes.modes.add(model[1].training)


def test_modes_are_as_they_were_after_an_evaluation(run):
    Freezes.modes = set()
    run(torch.optim.SGD, Freezes)
    assert Freezes.modes == {False}


class Replaces(Regularizer):
    def after_step(self, model, optimizer):
        if self.progress > 0.3:
            model[0].weight = nn.Parameter(model[0].weight.detach().clone())


def test_a_parameter_that_is_no_longer_trained_fails_the_trial(run):
    failed = run(torch.optim.SGD, Replaces)
    assert failed.status == "failed"
    assert "'0.weight'" in failed.reason
    assert "would not be trained" in failed.reason


# -- what did not complete still has a cost -------------------------------------------------------


class FailsLate(torch.optim.SGD):
    def step(self, closure):
        import time

        time.sleep(0.01)
        if closure.progress > 0.45:
            raise ValueError("late")
        return super().step(closure)


def test_a_failed_trial_reports_its_cost(run):
    failed = run(FailsLate)
    assert failed.status == "failed"
    assert 50 <= failed.cost.steps <= 60
    assert failed.cost.seconds >= 0.5
    assert failed.cost.gradient_evaluations == pytest.approx(failed.cost.steps, abs=1)
    assert failed.cost.peak_memory_bytes > 0


class Remembers(torch.optim.Adam):
    """As Adam, with its two states a weight."""


def test_the_bytes_of_an_optimizers_state_are_recorded(run):
    weights = 3 * 16 + 16 + 16 * 3 + 3
    steps = 4 * 4  # a counter a tensor
    assert run(Remembers).cost.optimizer_state_bytes == 2 * 4 * weights + steps
    assert run(torch.optim.SGD).cost.optimizer_state_bytes == 0


# -- what a result cannot hold is refused with its name -------------------------------------------


@pytest.mark.parametrize("raised", [KeyError("\ud800"), RuntimeError("\ud800 lone")])
def test_an_error_whose_text_cannot_be_stored_is_recorded(run, raised):
    class Raises(torch.optim.SGD):
        def step(self, closure):
            raise raised

    failed = run(Raises)
    assert failed.status == "failed"
    assert type(raised).__name__ in failed.reason
    failed.model_dump_json()


def test_missing_data_that_a_method_makes_up_fails_its_trial_only(run):
    from suite import MissingData

    class Raises(torch.optim.SGD):
        def step(self, closure):
            raise MissingData("no")

    assert run(Raises).status == "failed"
