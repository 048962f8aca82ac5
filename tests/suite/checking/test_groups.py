from __future__ import annotations

import pytest
import torch
from torch.optim import SGD, AdamW

from suite import Combined, Regularizer, search
from suite.components.registry import Component
from tests.checked import LR, Descent, component, verdict, verdicts

DECAY = {**LR, "weight_decay": search.log_uniform(1e-3, 1.0, default=0.1)}


class KeptRate(Descent):
    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.rate = lr

    def change(self, p, group):
        p.sub_(p.grad, alpha=self.rate)


class FirstGroupsRate(Descent):
    def change(self, p, group):
        p.sub_(p.grad, alpha=self.param_groups[0]["lr"])


class KeptParameters(Descent):
    """Trains the list that it was given."""

    def __init__(self, params, lr):
        super().__init__(params, lr)

    def step(self, closure):
        loss = closure()
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                if p.grad is not None:
                    self.change(p, self.param_groups[0])
        return loss


class NoRate(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})

    @torch.no_grad()
    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                p.sub_(p.grad, alpha=0.1)
        return loss


class Decays(Descent):
    def __init__(self, params, lr, weight_decay):
        super().__init__(params, lr)
        self.decay = weight_decay
        for group in self.param_groups:
            group["weight_decay"] = weight_decay


class KeptDecay(Decays):
    def change(self, p, group):
        p.mul_(1 - group["lr"] * self.decay).sub_(p.grad, alpha=group["lr"])


class DecoupledWithoutSaying(Decays):
    def change(self, p, group):
        p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(p.grad, alpha=group["lr"])


class SaysDecoupled(Decays):
    """Says so, and decays independently of the rate."""

    def __init__(self, params, lr, weight_decay):
        super().__init__(params, lr, weight_decay)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True

    def change(self, p, group):
        p.mul_(1 - 0.1 * group["weight_decay"]).sub_(p.grad, alpha=group["lr"])


class SaysAndDoesNot(SaysDecoupled):
    change = Descent.change


class OnlyZero(Descent):
    """A group's rate is another's unless it is 0, as in methods that find the rate themselves."""

    def change(self, p, group):
        p.sub_(p.grad, alpha=self.param_groups[0]["lr"] if group["lr"] else 0.0)


def combined(params, lr):
    matrices = [p for p in params if p.ndim > 1]
    others = [p for p in params if p.ndim < 2]
    return Combined(*(SGD(some, lr=lr) for some in (matrices, others) if some))


def test_rates_of_torchs_own_are_read_at_each_step():
    found = verdicts(component(AdamW, space=DECAY), "rates", "several groups", "decoupled decay")
    assert len(found) == 4
    assert {v.outcome for v in found.values()} == {"ok"}


def test_several_optimizers_as_one_have_groups_of_their_own():
    found = verdicts(component(combined), "rates", "several groups", "state_dict")
    assert {v.outcome for v in found.values()} == {"ok"}


@pytest.mark.parametrize("build", [KeptRate, KeptDecay])
def test_a_rate_that_was_kept_is_found(build):
    space = LR if build is KeptRate else DECAY
    key = "lr" if build is KeptRate else "weight_decay"
    found = verdicts(component(build, space=space), "rates")[f"{key} at each step"]
    assert found.failed
    assert f"group['{key}']" in found.cure


def test_without_a_rate_in_the_groups_no_schedule_acts():
    found = verdict("rates", NoRate, space={})
    assert found.outcome == "warning"
    assert "no schedule can change it" in found.seen


@pytest.mark.parametrize(
    ("build", "seen"),
    [(FirstGroupsRate, "acts on no group"), (KeptParameters, "do not move")],
)
def test_groups_that_are_ignored_are_found(build, seen):
    found = verdict("several groups", build)
    assert found.failed
    assert seen in found.seen


def test_the_statement_about_decay_must_be_true():
    without = verdict("decoupled decay", SaysAndDoesNot, space=DECAY)
    assert without.failed
    assert "says decoupled_weight_decay" in without.seen
    otherwise = verdict("decoupled decay", SaysDecoupled, space=DECAY)
    assert otherwise.outcome == "warning"
    assert "by another share" in otherwise.seen
    silent = verdict("decoupled decay", DecoupledWithoutSaying, space=DECAY)
    assert silent.outcome == "warning"
    assert "decoupled_weight_decay" in silent.cure


def test_coupled_decay_says_nothing_and_is_right():
    space = {**DECAY, "momentum": search.uniform(0.5, 0.99, default=0.9)}
    assert verdict("decoupled decay", SGD, space=space).outcome == "ok"


def test_a_method_of_several_parts_is_asked_about_its_optimizer():
    class Clipped(Regularizer):
        def __init__(self, norm):
            self.norm = norm

        def gradients(self, parameters):
            torch.nn.utils.clip_grad_norm_(parameters, self.norm)

    whole = component(
        Descent,
        space={**LR, "norm": search.uniform(0.1, 1.0, default=0.5)},
        regularizers=(Clipped,),
        schedules=(lambda progress: 1 - progress,),
    )
    assert isinstance(whole, Component)
    found = verdicts(whole, "rates", "several groups", "state_dict", "hyperparameters")
    assert {v.outcome for v in found.values()} == {"ok"}


def test_a_rate_of_which_only_0_acts_is_a_warning():
    found = verdict("several groups", OnlyZero)
    assert found.outcome == "warning"
    assert "a rate of 0 does" in found.seen


def test_a_method_that_refuses_groups_is_a_warning():
    found = verdict("several groups", torch.optim.LBFGS)
    assert found.outcome == "warning"
    assert "Expected exactly one param_group" in found.seen
