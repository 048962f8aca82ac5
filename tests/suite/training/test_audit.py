"""The audit: work that the meter does not see shows in the slope; honest methods have 1."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap

from suite import Regularizer
from suite.components import registry
from suite.components.method import parse_method
from suite.execution.executor import Job
from suite.execution.inline import InlineExecutor
from suite.results.model import AuditRecord
from suite.training.audit import LIMIT, Undercharged, audited_factor, measure
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.commands import TINY
from tests.methods import registered_methods

cross_entropy = nn.functional.cross_entropy


class Steps(torch.optim.SGD):
    """SGD that works on the objective's model, handed over by the regularizer below."""

    def work(self, model, objective):
        raise NotImplementedError

    def step(self, closure):
        loss = super().step(closure)
        self.work(closure.model, closure)
        return loss


class Parts(Steps):
    """Passes the batch through the layers of the model and not through the model."""

    def work(self, model, objective):
        inputs, targets = objective.batch
        for layer in model:
            inputs = layer(inputs)
        with torch.enable_grad():
            cross_entropy(inputs, targets).backward()


class Unbound(Steps):
    """Calls the class's forward, which is not metered."""

    def work(self, model, objective):
        inputs, targets = objective.batch
        with torch.enable_grad():
            cross_entropy(type(model).forward(model, inputs), targets).backward()


class PerExample(Steps):
    """Per-example gradients in torch's own idiom, which the meter sees as one example."""

    def work(self, model, objective):
        inputs, targets = objective.batch
        parameters = {name: p.detach() for name, p in model.named_parameters()}

        def loss(p, x, y):
            return cross_entropy(functional_call(model, p, (x[None],)), y[None])

        vmap(grad(loss), (None, 0, 0))(parameters, inputs, targets)


class Population(Steps):
    """Many perturbed models at once, which the meter sees as one."""

    @torch.no_grad()
    def work(self, model, objective):
        inputs, targets = objective.batch
        perturbed = {
            name: p[None] + 0.01 * torch.randn(50, *p.shape) for name, p in model.named_parameters()
        }
        vmap(lambda p: cross_entropy(functional_call(model, p, (inputs,)), targets))(perturbed)


class SeveralBackward(Steps):
    """Ten backward passes through one forward pass."""

    def work(self, model, objective):
        inputs, targets = objective.batch
        with torch.enable_grad():
            outputs = model(inputs)
            for _ in range(10):
                loss = cross_entropy(outputs, targets)
                torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)


class DoubleBackward(Steps):
    """A Hessian product of its own."""

    def work(self, model, objective):
        inputs, targets = objective.batch
        parameters = list(model.parameters())
        with torch.enable_grad():
            loss = cross_entropy(model(inputs), targets)
            gradients = torch.autograd.grad(loss, parameters, create_graph=True)
            torch.autograd.grad(sum((g**2).sum() for g in gradients), parameters)


class OwnTangent(Steps):
    """A forward-mode derivative of its own, where gradients are off."""

    @torch.no_grad()
    def work(self, model, objective):
        inputs, targets = objective.batch
        weights = {name: p.detach() for name, p in model.named_parameters()}
        tangents = {name: torch.ones_like(p) for name, p in weights.items()}

        def loss(weights):
            return cross_entropy(functional_call(model, weights, (inputs,)), targets)

        for _ in range(3):
            jvp(loss, (weights,), (tangents,))


class AddedAxis(Steps):
    """The whole batch as one example with one more axis."""

    def work(self, model, objective):
        inputs, targets = objective.batch
        with torch.enable_grad():
            cross_entropy(model(inputs[None])[0], targets).backward()


class LateWork(Steps):
    """Free work in the last part of training only."""

    def work(self, model, objective):
        if objective.progress > 0.7:
            for _ in range(10):
                type(model).forward(model, objective.batch[0])


class GradientsInHook(Regularizer):
    """A hook that switches gradients on: what is paid as a forward pass has a backward pass."""

    def attach(self, model, info):
        model[0].register_forward_pre_hook(self.switch_on)

    def switch_on(self, *about):
        torch.set_grad_enabled(True)

    def after_step(self, model, optimizer):
        inputs = torch.randn(optimizer.examples, 3)
        with torch.no_grad():
            model(inputs).sum().backward()


class CountsExamples(torch.optim.SGD):
    """Tells a regularizer how large batches are."""

    examples = 1

    def step(self, closure):
        self.examples = closure.batch_size
        return super().step(closure)


class Forward(Steps):
    """Honest: forward passes by the objective."""

    def work(self, model, objective):
        objective.loss()
        objective.loss()


class Hessian(Steps):
    """Honest: a Hessian product by the objective."""

    def work(self, model, objective):
        objective.hvp([torch.ones_like(p) for p in objective.parameters])


class Tangent(Steps):
    """Honest: a forward-mode derivative by the objective."""

    def work(self, model, objective):
        objective.jvp([torch.ones_like(p) for p in objective.parameters])


class Looks(Steps):
    """Honest: draws batches and does not use them."""

    def work(self, model, objective):
        objective.next_batch()


class Declared(SeveralBackward):
    """Undercharged, and says why."""


class InThread(torch.optim.SGD):
    """Two more gradients in each step, in another thread, through the parts of the model."""

    def step(self, closure):
        def work():
            for _ in range(2):
                inputs, targets = closure.batch
                for layer in closure.model:
                    inputs = layer(inputs)
                loss = nn.functional.cross_entropy(inputs, targets)
                torch.autograd.grad(loss, closure.parameters)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return super().step(closure)


HIDDEN = [
    InThread,
    *(Parts, Unbound, PerExample, Population, SeveralBackward),
    *(DoubleBackward, OwnTangent, AddedAxis, LateWork),
]
HONEST = [CountsExamples, Forward, Hessian, Tangent, Looks]


@pytest.fixture
def trial():
    """Makes a trial of an optimizer class, with a regularizer class or none, on the tiny task."""
    task = registry.load_file(TINY)[0].name

    def make(optimizer, regularizer=None, purpose="tuning"):
        parts = {"hidden_steps": {"lr": 0.01}}
        components = [("optimizer", "hidden_steps")]
        if regularizer is not None:
            parts["hidden_hook"] = {}
            components.append(("regularizer", "hidden_hook"))
        extra = {"extra_work": "ten backward passes"} if optimizer is Declared else {}
        declare(optimizer, regularizer, extra)
        return Trial(task, tuple(components), parts, 0, 7, purpose, audited=parts)

    with registered_methods() as declare:
        yield make


@pytest.mark.parametrize("optimizer", HIDDEN, ids=lambda c: c.__name__)
def test_hidden_work_has_a_slope_and_ends_as_undercharged(trial, optimizer):
    planned = trial(optimizer)
    audit = measure(planned)
    assert audit.slope > LIMIT
    run = run_trial(planned, audit=audit).run
    assert run.status == "undercharged"
    assert f"{audit.slope:.2f} times" in run.reason
    assert run.cost.steps == 0
    assert run.cost.audit == audit


def test_a_hook_that_switches_gradients_on_is_seen(trial):
    audit = measure(trial(CountsExamples, GradientsInHook))
    assert audit.slope > LIMIT


@pytest.mark.parametrize("optimizer", HONEST, ids=lambda c: c.__name__)
def test_work_that_the_objective_is_asked_for_is_charged(trial, optimizer):
    planned = trial(optimizer)
    audit = measure(planned)
    assert audit.slope <= 1.12
    run = run_trial(planned, audit=audit).run
    assert run.status == "completed"
    assert run.cost.cost_factor == 1.0
    assert run.cost.operations > 0


def test_declared_extra_work_multiplies_costs(trial):
    plain, declared = trial(CountsExamples), trial(Declared)
    audit = measure(declared)
    run = run_trial(declared, audit=audit).run
    assert run.status == "completed"
    assert run.cost.cost_factor == pytest.approx(audit.slope)
    assert run.cost.gradient_evaluations <= 120
    assert run.cost.steps == int(120 / (2 * audit.slope))
    assert run_trial(trial(CountsExamples), audit=measure(plain)).run.cost.steps == 120


def test_a_slope_below_the_limit_changes_nothing(trial):
    audit = AuditRecord(slope=1.19, rest=100.0, example=1.0)
    assert audited_factor(trial(CountsExamples), audit) == 1.0
    with pytest.raises(Undercharged, match=r"1\.21 times"):
        audited_factor(trial(CountsExamples), AuditRecord(slope=1.21, rest=0.0, example=1.0))


class FailsWithSmallBatches(torch.optim.SGD):
    def step(self, closure):
        if closure.batch_size < 32:
            raise RuntimeError("too few")
        return super().step(closure)


def test_a_method_that_fails_its_audit_does_not_escape_it(trial):
    planned = trial(FailsWithSmallBatches)
    with pytest.raises(RuntimeError, match="too few"):
        measure(planned)
    executor = InlineExecutor()
    task = registry.get("task", planned.task)
    executor.submit(Job("a study", planned, task, 60.0))
    *_, ended = iter(lambda: executor.next_event(0), None)
    assert ended.outcome.run.status == "failed"
    assert "operations could not be counted: RuntimeError: too few" in ended.outcome.run.reason
    assert ended.outcome.run.validation_score == task.score.worst


class Wider(Regularizer):
    """Makes the hidden layer sixteen times as wide."""

    def attach(self, model, info):
        model[0], model[2] = nn.Linear(3, 256), nn.Linear(256, 3)


def test_a_larger_model_multiplies_costs(trial):
    planned = trial(CountsExamples, Wider)
    audit = measure(planned)
    assert audit.slope <= 1.12  # it is charged
    run = run_trial(planned, audit=audit).run
    assert run.status == "completed"
    assert run.cost.cost_factor == pytest.approx(16)
    assert run.cost.steps == 120 // 16


@pytest.mark.parametrize("task", ["digits", "lm_markov", "xor_cluster", "split_digits"])
@pytest.mark.parametrize(
    "method", ["adamw", "sgd+sam", "mezo", "sophia_g", "adamw+iterate_ema", "forward_gradient"]
)
def test_methods_of_the_repo_are_charged_for_what_they_do(task, method):
    parts = parse_method(method)
    components = tuple((c.kind, c.name) for c in parts.components)
    trial = Trial(task, components, parts.defaults, 0, 7, "tuning", audited=parts.defaults)
    audit = measure(trial)
    assert audit.slope == pytest.approx(1.0, abs=0.05)
    assert audit.rest < 0.1


def test_arithmetic_on_weights_is_the_rest_and_not_charged():
    parts = parse_method("muon")
    trial = Trial("digits", (("optimizer", "muon"),), parts.defaults, 0, 7, "tuning")
    audit = measure(trial)
    assert audit.slope == pytest.approx(1.0, abs=0.02)
    assert audit.rest > 1
