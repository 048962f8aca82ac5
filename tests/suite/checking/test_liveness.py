from __future__ import annotations

from typing import ClassVar

import torch

from suite import Regularizer, search
from suite.checking.liveness import LONG
from tests.checked import LR, Descent, component, verdicts

UNIT = search.uniform(0.0, 1.0, default=0.5)


class Dead(Descent):
    def __init__(self, params, lr, unused):
        super().__init__(params, lr)


class Late(Descent):
    """Acts after a number of steps."""

    def __init__(self, params, lr, after, strength):
        super().__init__(params, lr)
        self.after, self.strength, self.steps = after, strength, 0

    def step(self, closure):
        self.steps += 1
        return super().step(closure)

    def change(self, p, group):
        factor = self.strength if self.steps > self.after else 1.0
        p.sub_(p.grad, alpha=group["lr"] * factor)


class Breaks(Descent):
    def __init__(self, params, lr, mode):
        if mode == "other":
            raise KeyError("no such mode")
        super().__init__(params, lr)


class OnChange(Regularizer):
    """Shrinks the weights when a stream's task changes."""

    def __init__(self, share):
        self.share = share

    @torch.no_grad()
    def on_task_change(self, model, task):
        for p in model.parameters():
            p.mul_(self.share)


class OnBatchNorm(Regularizer):
    kinds: ClassVar = torch.nn.modules.batchnorm._BatchNorm

    def __init__(self, share):
        self.share = share

    def after_step(self, model, optimizer):
        for module in model.modules():
            if isinstance(module, self.kinds):
                module.weight.mul_(self.share)


class OnAverage(Regularizer):
    """Changes only the weights to evaluate with."""

    def __init__(self, share):
        self.share = share

    def average(self, weights):
        return {name: weight * self.share for name, weight in weights.items()}


def live(build, space, kind="optimizer"):
    return verdicts(component(build, kind, space), "hyperparameters")


def test_one_that_is_not_used_is_a_problem():
    found = live(Dead, {**LR, "unused": UNIT})
    assert not found["hyperparameter lr"].failed
    dead = found["hyperparameter unused"]
    assert dead.failed
    assert "no bit differs" in dead.seen
    assert f"of up to {LONG} steps" in dead.seen
    assert "a perceptron, convolutions with batch norm" in dead.seen
    assert "take it out of `search`" in dead.cure


def test_late_ones_and_those_that_others_switch_on_are_found():
    space = {
        **LR,
        "after": search.integer(100, 1000, default=1000),
        "strength": search.uniform(0.1, 1.0, default=0.5),
    }
    found = live(Late, space)
    assert [v.outcome for v in found.values()] == ["ok"] * 3
    assert "where after is 100" in found["hyperparameter strength"].seen


def test_where_it_acts_is_said():
    (on_change,) = live(OnChange, {"share": UNIT}, "regularizer").values()
    assert (on_change.outcome, "on a stream of four tasks" in on_change.seen) == ("ok", True)
    (on_norm,) = live(OnBatchNorm, {"share": UNIT}, "regularizer").values()
    assert (on_norm.outcome, "batch norm" in on_norm.seen) == ("ok", True)
    (on_average,) = live(OnAverage, {"share": UNIT}, "regularizer").values()
    assert on_average.outcome == "ok"


def test_another_value_that_raises_is_a_problem_that_names_it():
    space = {**LR, "mode": search.choice("one", "other", default="one")}
    found = live(Breaks, space)["hyperparameters"]
    assert found.failed
    assert "with mode other on a perceptron" in found.seen


def test_without_hyperparameters_there_is_nothing_to_try():
    assert live(lambda params: Descent(params, 0.1), {})["hyperparameters"].outcome == (
        "not applicable"
    )
