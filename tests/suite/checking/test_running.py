from __future__ import annotations

import pytest
import torch

from suite import NotApplicable, Regularizer, search
from suite.checking.grounds import STEPS, grounds
from suite.checking.subject import Subject
from suite.checking.walk import Walk
from tests.checked import Descent, component, verdict, verdicts


class Raises(Descent):
    def change(self, p, group):
        raise ValueError("a mistake")


class Still(Descent):
    def change(self, p, group):
        pass


class Prints(Descent):
    def change(self, p, group):
        print("hello")
        super().change(p, group)


class CountsExamples(Descent):
    """Remembers the size of the first batch."""

    def step(self, closure):
        loss = super().step(closure)
        size = closure.batch_size
        self.first = torch.zeros(getattr(self, "size", size))
        self.size = getattr(self, "size", size)
        self.first += torch.ones(size)
        return loss


class DividesByDeviation(Descent):
    def step(self, closure):
        with torch.no_grad():
            self.factor = 1 / closure.losses().std()
        return super().step(closure)

    def change(self, p, group):
        p.sub_(self.factor * p.grad, alpha=group["lr"])


class Inverts(Descent):
    def change(self, p, group):
        if p.ndim == 2:
            torch.linalg.eigh(p.grad @ p.grad.mT)
        super().change(p, group)


class Insatiable(Descent):
    """Evaluates again and again."""

    def step(self, closure):
        while True:
            closure()


class Recalibrates(Regularizer):
    """Asks for batch norm's statistics at every evaluation, also at the last."""

    recalibrate = 5

    def average(self, weights):
        return {name: weight * 0.9 for name, weight in weights.items()}


class Nothing(Regularizer):
    """No hook at all."""


class Refuses(Regularizer):
    def attach(self, model, info):
        raise NotApplicable("it works on nothing")


class CopiesHead(Regularizer):
    """Gives the head a matrix of its own."""

    def attach(self, model, info):
        if hasattr(model, "embedding"):
            model.head.weight = torch.nn.Parameter(model.head.weight.detach().clone())


def test_a_right_optimizer_runs_everywhere():
    found = verdicts(component(Descent), "runs", "silent", "batch sizes", "loss of NaN", "acts")
    outcomes = {title: verdict.outcome for title, verdict in found.items()}
    assert outcomes.pop("acts") == "not applicable"
    assert set(outcomes.values()) == {"ok"}


def test_an_error_is_a_problem_with_its_line_and_nothing_else_is_asked():
    found = list(verdicts(component(Raises), "runs", "frozen", "silent").values())
    assert [verdict.check for verdict in found] == ["runs"]
    assert found[0].failed
    assert "ValueError: a mistake (in test_running.py, line" in found[0].seen
    assert '`raise ValueError("a mistake")`' in found[0].seen


@pytest.mark.parametrize(
    ("title", "build", "seen"),
    [
        ("runs", Still, "no weight moved"),
        ("runs", Insatiable, "in one step, the budget of"),
        ("batch sizes", CountsExamples, "batches of 16, 5 and 1 examples: RuntimeError"),
        ("batch sizes", DividesByDeviation, "not finite after a batch of 5 or 1"),
        ("loss of NaN", Inverts, "after the loss became NaN"),
    ],
)
def test_each_finds_its_own(title, build, seen):
    found = verdict(title, build)
    assert found.failed
    assert seen in found.seen
    assert found.cure


def test_prints():
    found = verdicts(component(Prints), "runs", "silent")["silent"]
    assert found.failed
    assert "hello" in found.seen


def test_a_regularizer_must_change_something():
    found = verdict("acts", Nothing, "regularizer")
    assert found.failed
    assert "the same bits as without it" in found.seen


def test_a_schedule_may_change_nothing():
    assert verdict("acts", lambda progress: 1.0, "schedule").outcome == "note"


def test_a_component_that_refuses_everything_does_not_pass():
    found = list(verdicts(component(Refuses, "regularizer"), "runs", "frozen").values())
    assert [(v.check, v.outcome) for v in found] == [("runs", "problem")]
    assert "it works on nothing" in found[0].seen


def test_divergence_at_the_defaults_is_a_warning():
    space = {"lr": search.log_uniform(1.0, 1e30, default=1e20)}
    assert verdict("runs", Descent, space=space).outcome == "warning"


def test_tied_weights_stay_tied():
    assert verdict("tied weights", Descent).outcome == "ok"
    assert verdict("tied weights", CopiesHead, "regularizer").failed


def test_what_an_evaluation_costs_is_paid_after_the_last_step_too():
    subject = Subject(component(Recalibrates, "regularizer"))
    norm = grounds()[1]
    with subject.registered(norm):
        assert len(Walk(subject.ways[0], norm).trajectory()) == STEPS
