"""The hooks: when they are called, in which order, and what the base class does."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from suite import Objective, Regularizer
from suite.components import regularizer as regularizer_module
from suite.errors import UsageError
from suite.training.batch_source import BatchSource
from suite.training.meter import Ledger

HOOKS = (
    "attach",
    "start",
    "batch",
    "logits",
    "criterion",
    "penalty",
    "evaluate",
    "gradients",
    "update",
    "around_step",
    "after_step",
    "average",
    "averaged",
    "on_task_change",
)


def objective(*regularizers: Regularizer) -> Objective:
    """Squared error of w x at w = 1, x = 2, y = 0: loss 4, gradient 8."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    batch = (torch.tensor([[2.0]]), torch.tensor([[0.0]]))
    ledger = Ledger(1e9)
    source = BatchSource(itertools.repeat(batch), ledger)
    found = Objective(model, mse_loss, source.key, ledger, regularizers)
    found.next_batch()
    return found


def gradient(of: Objective) -> float:
    return float(of.parameters[0].grad)


class Scale(Regularizer):
    def __init__(self, by: float) -> None:
        self.by = by

    def gradients(self, parameters):
        for p in parameters:
            p.grad.mul_(self.by)


class Shift(Regularizer):
    def gradients(self, parameters):
        for p in parameters:
            p.grad.add_(1.0)


class Twice(Regularizer):
    """Sums the gradients of two evaluations."""

    def evaluate(self, evaluate, parameters):
        evaluate()
        kept = [p.grad for p in parameters]
        loss = evaluate()
        for p, g in zip(parameters, kept, strict=True):
            p.grad = p.grad + g
        return loss


class Times(Regularizer):
    def __init__(self, factor: float, plus: float) -> None:
        self.factor = factor
        self.plus = plus

    def criterion(self, outputs, targets, default):
        return self.factor * default(outputs, targets) + self.plus


class Decay(Regularizer):
    def penalty(self, model):
        return 3.0 * model.weight.square().sum()


def test_base_class_changes_nothing():
    regularizer, model = Regularizer(), nn.Linear(2, 2)
    assert not any(regularizer.overrides(hook) for hook in HOOKS)
    assert regularizer.averaged(model) is model
    assert regularizer.penalty(model) == 0
    assert float(regularizer.criterion(torch.ones(2), torch.zeros(2), mse_loss)) == 1
    assert float(regularizer.evaluate(lambda: torch.tensor(5.0), [])) == 5
    plain = objective(Regularizer())
    assert float(plain()) == 4
    assert gradient(plain) == 8


@pytest.mark.parametrize("hook", HOOKS)
def test_overrides_names_exactly_the_hooks_of_a_subclass(hook):
    subclass = type("Some", (Regularizer,), {hook: lambda self, *arguments: None})
    assert [name for name in HOOKS if subclass().overrides(name)] == [hook]


def test_gradient_hooks_follow_the_command_line():
    first, second = objective(Scale(10), Shift()), objective(Shift(), Scale(10))
    first()
    second()
    assert gradient(first) == 8 * 10 + 1
    assert gradient(second) == (8 + 1) * 10


def test_evaluations_wrap_what_stands_before_them():
    inside, outside = objective(Shift(), Twice()), objective(Twice(), Shift())
    inside()
    outside()
    assert gradient(inside) == 2 * (8 + 1)
    assert gradient(outside) == 2 * 8 + 1


def test_evaluations_nest():
    fourfold = objective(Twice(), Twice())
    fourfold()
    assert gradient(fourfold) == 4 * 8


def test_criteria_build_on_those_before_them():
    assert float(objective(Times(2, 0), Times(1, 3))()) == 2 * 4 + 3
    assert float(objective(Times(1, 3), Times(2, 0))()) == 2 * (4 + 3)


def test_penalties_add_up_and_have_gradients():
    decayed = objective(Decay(), Decay())
    assert float(decayed()) == 4 + 2 * 3
    assert gradient(decayed) == 8 + 2 * 6


def test_one_regularizer_may_use_both_hooks():
    class Both(Twice):
        def gradients(self, parameters):
            for p in parameters:
                p.grad.add_(1.0)

    both = objective(Both())
    both()
    assert gradient(both) == 2 * 8 + 1


def test_gradient_hooks_run_without_a_graph():
    class Probe(Regularizer):
        def gradients(self, parameters):
            assert not torch.is_grad_enabled()
            self.called = True

    probe = Probe()
    objective(probe)()
    assert probe.called


def test_the_hooks_of_a_class_include_those_it_inherits():
    class Child(Twice, Decay):
        def after_step(self, model, optimizer):
            pass

    assert Child.hooks == {"evaluate", "penalty", "after_step"}
    assert frozenset(HOOKS) == regularizer_module.HOOKS


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("aftr_step", "after_step"),
        ("gradient", "gradients"),
        ("penalti", "penalty"),
        ("on_task_changed", "on_task_change"),
        ("evalute", "evaluate"),
    ],
)
def test_a_misspelt_hook_is_refused_when_it_is_declared(name, hook):
    with pytest.raises(UsageError, match=rf"Wrong\.{name} is not a hook .* Did you mean '{hook}'"):
        type("Wrong", (Regularizer,), {name: lambda self, *arguments: None})


def test_methods_and_attributes_of_ones_own_may_have_other_names():
    own = {"_aftr_step": lambda self: None, "gradient": 0.5, "decay_weights": lambda self: None}
    assert type("Fine", (Regularizer,), own).hooks == frozenset()


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [
        ("evaluate", (lambda: torch.tensor(1.0), [])),
        ("averaged", (nn.Linear(1, 1),)),
        ("penalty", (nn.Linear(1, 1),)),
        ("criterion", (torch.ones(1), torch.ones(1), mse_loss)),
    ],
)
def test_a_hook_that_returns_nothing_is_named(hook, arguments):
    def forgets(self, *arguments):
        pass

    forgetful = type("Forgetful", (Regularizer,), {hook: forgets})()
    with pytest.raises(TypeError, match=f"Forgetful.{hook} returned nothing: return the "):
        getattr(forgetful, hook)(*arguments)
