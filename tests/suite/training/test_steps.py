"""The steps of a method: every hook at its place, and optimizers that want their step otherwise."""

from __future__ import annotations

import functools
import itertools

import pytest
import torch
from torch import nn

from suite import Regularizer
from suite.components.method import Parts
from suite.components.schedule import Schedules
from suite.errors import NotApplicable
from suite.training.batch_source import BatchSource
from suite.training.evaluator import Averages
from suite.training.meter import Ledger, meter
from suite.training.missing_gradient import GradientReadFirst
from suite.training.objective import Objective
from suite.training.steps import Steps, takes_closure
from tests.objectives import small_batch, small_model, snapshot


def batches():
    return (small_batch(seed) for seed in itertools.count())


def make_steps(
    optimizer, *regularizers, model=None, schedules=(), gradient_first=False, create_graph=False
):
    """Steps of SGD-like methods on the small model; `optimizer` is a class or a function."""
    model = model or small_model()
    ledger = Ledger(1e6)
    meter(model, ledger)
    source = BatchSource(batches(), ledger)
    built = optimizer(list(model.parameters()))
    names = [type(r).__name__ for r in regularizers]
    planned = Schedules(schedules, built, dict(zip(names, regularizers, strict=True)))
    parts = Parts(
        built,
        list(regularizers),
        planned if schedules else None,
        names,
        gradient_first,
        create_graph,
    )
    objective = Objective(
        model,
        nn.functional.cross_entropy,
        source.key,
        ledger,
        regularizers,
        create_graph=create_graph,
    )
    return Steps(model, parts, objective), model, objective, ledger, source


def take(steps, count=1):
    steps.start()
    for _ in range(count):
        steps.take(0.0)
        steps.take_average()


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.5)


# -- start and batches ----------------------------------------------------------------------------


class Log(Regularizer):
    """Notes the first number of each batch that a hook sees."""

    def __init__(self):
        self.seen = []

    def start(self, model, objective):
        assert objective is self.objective
        self.seen.append(("start", float(objective.batch[0][0, 0])))

    def batch(self, inputs, targets):
        self.seen.append(("batch", float(inputs[0, 0])))
        return inputs, targets

    def gradients(self, parameters):
        self.seen.append(("gradients", float(self.objective.batch[0][0, 0])))


def test_the_first_step_uses_the_batch_that_start_saw():
    log = Log()
    steps, *_ = make_steps(sgd, log)
    take(steps, 2)
    first, second = (float(small_batch(seed)[0][0, 0]) for seed in (0, 1))
    assert log.seen == [
        ("batch", first),
        ("start", first),
        ("gradients", first),
        ("batch", second),
        ("gradients", second),
    ]


def test_what_start_asks_for_is_charged():
    class Looks(Regularizer):
        def start(self, model, objective):
            objective.loss()

    steps, _, objective, ledger, _ = make_steps(sgd, Looks())
    steps.start()
    assert ledger.spent == pytest.approx(objective.batch_size / 3)


class Half(Regularizer):
    def __init__(self):
        self.calls = 0

    def batch(self, inputs, targets):
        self.calls += 1
        return inputs[::2], targets[::2]


def test_a_batch_is_changed_once_and_charged_by_its_new_size():
    half = Half()
    steps, model, objective, ledger, _ = make_steps(sgd, half)
    before = snapshot(model)
    take(steps)
    objective.loss()
    assert half.calls == 1
    examples = len(small_batch(0)[1][::2])
    assert objective.batch_size == examples
    assert ledger.spent == pytest.approx(examples * (1 + 1 / 3))
    inputs, targets = small_batch(0)
    again = small_model()
    nn.functional.cross_entropy(again(inputs[::2]), targets[::2]).backward()
    for p, old, q in zip(model.parameters(), before, again.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), old - 0.1 * q.grad, rtol=0, atol=1e-14)


# -- the update and around it ---------------------------------------------------------------------


class Scaled(Regularizer):
    def __init__(self, by):
        self.by = by

    def update(self, parameters, deltas):
        for delta in deltas:
            delta.mul_(self.by)


class Untouched(Regularizer):
    def update(self, parameters, deltas):
        self.deltas = [delta.clone() for delta in deltas]


def moved_by(optimizer, *regularizers, count=3):
    steps, model, *_ = make_steps(optimizer, *regularizers)
    take(steps, count)
    return snapshot(model)


@pytest.mark.parametrize("optimizer", [sgd, adamw])
def test_an_update_that_stays_as_it_is_changes_no_bit(optimizer):
    for a, b in zip(moved_by(optimizer), moved_by(optimizer, Untouched()), strict=True):
        assert torch.equal(a, b)


def test_updates_are_scaled_one_after_the_other():
    start = [p.detach() for p in small_model().parameters()]
    plain = moved_by(sgd, count=1)
    scaled = moved_by(sgd, Scaled(0.5), Scaled(3.0), count=1)
    for old, one, other in zip(start, plain, scaled, strict=True):
        torch.testing.assert_close(other - old, 1.5 * (one - old), rtol=1e-9, atol=1e-15)


def test_decoupled_decay_is_not_part_of_the_update():
    start = [p.detach() for p in small_model().parameters()]
    left = moved_by(adamw, Scaled(0.0), count=1)
    for old, new in zip(start, left, strict=True):
        torch.testing.assert_close(new, old * (1 - 0.1 * 0.5), rtol=1e-12, atol=0)


class Twice(Regularizer):
    def around_step(self, step, objective):
        step()
        return step()


class Named(Regularizer):
    def __init__(self, name, log):
        self.name, self.log = name, log

    def around_step(self, step, objective):
        self.log.append(f"{self.name} begins")
        loss = step()
        self.log.append(f"{self.name} ends")
        return loss


def test_around_step_takes_whole_steps():
    start = [p.detach() for p in small_model().parameters()]
    model = small_model()
    optimizer = sgd(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        inputs, targets = small_batch(0)
        nn.functional.cross_entropy(model(inputs), targets).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(0.05 * p.grad)
    steps, found, _, ledger, _ = make_steps(sgd, Scaled(0.5), Twice())
    take(steps)
    assert ledger.spent == 2 * len(small_batch(0)[1])
    for p, q, old in zip(found.parameters(), model.parameters(), start, strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-14)
        assert not torch.equal(p.detach(), old)


def test_the_last_regularizer_is_outermost_around_the_step():
    log = []
    steps, *_ = make_steps(sgd, Named("a", log), Named("b", log))
    take(steps)
    assert log == ["b begins", "a begins", "a ends", "b ends"]


# -- averages -------------------------------------------------------------------------------------


class Plus(Regularizer):
    """The weights it is given, plus a number."""

    def __init__(self, number):
        self.number = number

    def average(self, weights):
        return {name: weight + self.number for name, weight in weights.items()}


def test_averages_compose_in_the_order_of_the_method():
    class Doubled(Regularizer):
        def average(self, weights):
            return {name: 2 * weight for name, weight in weights.items()}

    for regularizers, expected in (
        ((Plus(1.0), Doubled()), lambda w: 2 * (w + 1)),
        ((Doubled(), Plus(1.0)), lambda w: 2 * w + 1),
    ):
        steps, model, *_ = make_steps(sgd, *regularizers)
        take(steps)
        for name, p in model.named_parameters():
            torch.testing.assert_close(steps.average[name], expected(p.detach()))


def test_averages_are_swapped_in_and_out_without_a_trace():
    steps, model, _, _, source = make_steps(sgd, Plus(1.0))
    averages = Averages(steps, source)
    take(steps)
    own = snapshot(model)
    held = averages.swap_in(model)
    for p, old in zip(model.parameters(), own, strict=True):
        torch.testing.assert_close(p.detach(), old + 1)
    for tensor, data in held:
        tensor.data = data
    for p, old in zip(model.parameters(), own, strict=True):
        assert torch.equal(p.detach(), old)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda name, w: ("other", w), "which the model has not"),
        (lambda name, w: (name, w.flatten()[:1]), "not as"),
        (lambda name, w: (name, w.float()), "not as"),
    ],
)
def test_averages_that_fit_nowhere_are_refused(wrong, said):
    class Wrong(Regularizer):
        def average(self, weights):
            return dict(wrong(name, weight) for name, weight in weights.items())

    steps, model, _, _, source = make_steps(sgd, Wrong())
    averages = Averages(steps, source)
    take(steps)
    own = snapshot(model)
    with pytest.raises(ValueError, match=said):
        averages.swap_in(model)
    for p, old in zip(model.parameters(), own, strict=True):
        assert torch.equal(p.detach(), old)


def norm_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)).double()


class Recalibrated(Regularizer):
    recalibrate = 3

    def average(self, weights):
        return {name: 0.5 * weight for name, weight in weights.items()}


def test_batch_norm_is_computed_again_for_the_average_and_charged():
    steps, model, _, ledger, source = make_steps(sgd, Recalibrated(), model=norm_model())
    averages = Averages(steps, source)
    take(steps, 5)
    spent, own = ledger.spent, [b.clone() for b in model.buffers()]
    held = averages.swap_in(model)
    examples = len(small_batch(0)[1])
    assert ledger.spent - spent == pytest.approx(3 * examples / 3)
    # Means and variances of the layer's inputs on the latest three batches, averaged.
    inputs = [model[0](small_batch(seed)[0]).detach() for seed in (2, 3, 4)]
    mean = torch.stack([x.mean(0) for x in inputs]).mean(0)
    variance = torch.stack([x.var(0) for x in inputs]).mean(0)
    torch.testing.assert_close(model[1].running_mean, mean)
    torch.testing.assert_close(model[1].running_var, variance)
    assert all(module.training for module in model.modules())
    for tensor, data in held:
        tensor.data = data
    for buffer, old in zip(model.buffers(), own, strict=True):
        assert torch.equal(buffer, old)


def test_only_the_first_pass_of_a_batch_moves_running_statistics():
    steps, model, objective, *_ = make_steps(sgd, model=norm_model())
    take(steps)
    after_one = [b.clone() for b in model.buffers()]
    objective.loss()
    objective()
    objective.sampled_labels()
    for buffer, old in zip(model.buffers(), after_one, strict=True):
        assert torch.equal(buffer, old)
    take(steps)
    assert not torch.equal(model[1].running_mean, after_one[0])
    assert int(model[1].num_batches_tracked) == 2


# -- optimizers of libraries ----------------------------------------------------------------------


class NoClosure(torch.optim.SGD):
    """The step of optimizers that were written for `loss.backward(); optimizer.step()`."""

    def step(self):
        return super().step()


class Ignores(torch.optim.SGD):
    def step(self, closure=None):
        return super().step()


class ReadsFirst(torch.optim.SGD):
    """Sharpness-aware minimization as libraries write it: an ascent before the closure."""

    def step(self, closure):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data.add_(p.grad, alpha=0.05)
        return super().step(closure)


def test_a_step_without_a_closure_gets_its_gradients_first():
    expected = moved_by(sgd)
    found = moved_by(lambda parameters: NoClosure(parameters, lr=0.1))
    for a, b in zip(expected, found, strict=True):
        assert torch.equal(a, b)
    assert not takes_closure(NoClosure([nn.Parameter(torch.zeros(1))], lr=0.1).step)
    assert takes_closure(sgd([nn.Parameter(torch.zeros(1))]).step)


def test_an_optimizer_that_ignores_the_closure_works_if_it_says_so():
    steps, model, _, ledger, _ = make_steps(
        lambda parameters: Ignores(parameters, lr=0.1), gradient_first=True
    )
    take(steps, 3)
    for a, b in zip(moved_by(sgd), snapshot(model), strict=True):
        assert torch.equal(a, b)
    assert ledger.spent == 3 * len(small_batch(0)[1])


def test_gradients_that_are_read_before_the_closure_are_refused_with_the_cure():
    steps, *_ = make_steps(lambda parameters: ReadsFirst(parameters, lr=0.1))
    with pytest.raises(GradientReadFirst, match="gradient_first=True"):
        take(steps)


class ReadsInUpdate(Regularizer):
    def update(self, parameters, deltas):
        for p, delta in zip(parameters, deltas, strict=True):
            delta.add_(p.grad)


class NeverEvaluates(torch.optim.SGD):
    """A zeroth-order method, which leaves no gradients."""

    def step(self, closure):
        return closure.loss()


def test_an_update_that_reads_missing_gradients_is_named_and_not_the_optimizer():
    steps, *_ = make_steps(lambda p: NeverEvaluates(p, lr=0.1), Untouched(), ReadsInUpdate())
    with pytest.raises(NotApplicable, match="'ReadsInUpdate' reads gradients in its hook 'update'"):
        take(steps)


class ReadsAroundStep(Regularizer):
    def around_step(self, step, objective):
        self._total([p.grad for p in objective.parameters])
        return step()

    def _total(self, gradients):
        return sum(g.sum() for g in gradients)


class ReadsBeforeEvaluating(Regularizer):
    def evaluate(self, evaluate, parameters):
        parameters[0].grad.sum()
        return evaluate()


@pytest.mark.parametrize("kind", [ReadsAroundStep, ReadsBeforeEvaluating])
def test_a_hook_that_reads_gradients_of_another_batch_is_named(kind):
    class Outer(Regularizer):
        def around_step(self, step, objective):
            return step()

    steps, *_ = make_steps(sgd, kind(), Outer())
    with pytest.raises(GradientReadFirst, match=f"the regularizer '{kind.__name__}' reads"):
        take(steps)


def test_an_optimizer_that_reads_first_is_blamed_inside_of_a_regularizer():
    steps, *_ = make_steps(lambda p: ReadsFirst(p, lr=0.1), Untouched(), Twice())
    with pytest.raises(GradientReadFirst, match="gradient_first=True"):
        take(steps)


# -- hooks that nothing calls ---------------------------------------------------------------------


class OwnGradient(Regularizer):
    """As PCGrad: the gradient is made of others, and that of what stands before is not used."""

    def evaluate(self, evaluate, parameters):
        loss, gradients = self.objective.gradient()
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient
        return loss


class Clip(Regularizer):
    def gradients(self, parameters):
        for p in parameters:
            p.grad.clamp_(-1e-4, 1e-4)


class Climb(Regularizer):
    def evaluate(self, evaluate, parameters):
        evaluate()
        return evaluate()


@pytest.mark.parametrize("optimizer", [sgd, lambda p: Ignores(p, lr=0.1)])
def test_hooks_hidden_by_a_regularizer_that_computes_gradients_itself(optimizer):
    """They were skipped without a word, and the result had their names."""

    def made(*regularizers):
        return make_steps(optimizer, *regularizers, gradient_first=optimizer is not sgd)[0]

    with pytest.raises(NotApplicable) as error:
        take(made(Clip(), Untouched(), OwnGradient()))
    said = str(error.value)
    assert "'OwnGradient' computes gradients itself" in said
    assert "'Clip' would change nothing" in said
    assert "'Untouched'" not in said  # its hook is not around a gradient evaluation
    assert said.endswith("--regularizer OwnGradient,Clip,Untouched.")
    take(made(OwnGradient(), Clip(), Untouched()))
    with pytest.raises(NotApplicable, match=r"'Climb' would .* only the last one can act"):
        take(made(Climb(), OwnGradient(), Clip()))
    with pytest.raises(NotApplicable, match="'Climb' and 'Clip' would change nothing"):
        take(made(Climb(), Clip(), OwnGradient()))
    take(made(OwnGradient(), Climb(), Clip()))


def test_gradients_come_first_if_an_optimizer_says_so():
    def build(parameters):
        return ReadsFirst(parameters, lr=0.1)

    steps, model, _, ledger, _ = make_steps(build, gradient_first=True)
    take(steps)
    by_hand = small_model()
    inputs, targets = small_batch(0)
    nn.functional.cross_entropy(by_hand(inputs), targets).backward()
    with torch.no_grad():
        for p in by_hand.parameters():
            p.add_(p.grad, alpha=0.05)
            p.grad = None
    nn.functional.cross_entropy(by_hand(inputs), targets).backward()
    for p, q in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), q.detach() - 0.1 * q.grad, rtol=0, atol=1e-14)
    assert ledger.spent == 2 * len(inputs)


def test_a_method_that_needs_no_gradient_may_leave_it_missing():
    class Still(torch.optim.SGD):
        def step(self, closure):
            return closure.loss()

    steps, model, *_ = make_steps(lambda parameters: Still(parameters, lr=0.1))
    take(steps, 4)
    assert all(p.grad is None for p in model.parameters())


def test_gradients_have_a_graph_if_an_optimizer_says_so():
    class Hutchinson(torch.optim.SGD):
        """The diagonal of the Hessian as libraries compute it: from gradients with a graph."""

        def step(self, closure):
            loss = closure()
            parameters = self.param_groups[0]["params"]
            signs = [torch.ones_like(p) for p in parameters]
            gradients = [p.grad for p in parameters]
            self.products = torch.autograd.grad(gradients, parameters, signs)
            return loss

    steps, _, objective, ledger, _ = make_steps(
        lambda parameters: Hutchinson(parameters, lr=0.1), create_graph=True
    )
    take(steps)
    assert ledger.spent == 3 * objective.batch_size
    found = steps._parts.optimizer.products
    for a, b in zip(
        found, objective.hvp([torch.ones_like(p) for p in objective.parameters]), strict=True
    ):
        torch.testing.assert_close(a, b)


# -- tasks that change ----------------------------------------------------------------------------


def test_regularizers_and_the_optimizer_are_told_of_a_task():
    class New(Regularizer):
        def on_task_change(self, model, task):
            self.heard = task

    class Old(Regularizer):
        def on_task_change(self, model):
            self.heard = "something"

    class Told(torch.optim.SGD):
        def on_task_change(self, model, task):
            self.heard = task

    new, old = New(), Old()
    steps, *_ = make_steps(lambda parameters: Told(parameters, lr=0.1), new, old)
    steps.change_task(3)
    assert (new.heard, old.heard, steps._parts.optimizer.heard) == (3, "something", 3)


class _Counts(torch.optim.SGD):
    """SGD whose step is its superclass's in another function that looks like it."""

    calls = 0


@functools.wraps(torch.optim.SGD.step)
def _counted(self, closure):
    _Counts.calls += 1
    return torch.optim.SGD.step(self, closure)


def test_torch_s_wrapper_of_a_step_is_left_out_only_where_it_would_do_nothing():
    torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # torch wraps the step of its class
    with_hooks, without = (
        make_steps(lambda p: torch.optim.SGD(p, lr=0.1), model=small_model(3)) for _ in range(2)
    )
    seen = []
    optimizer = with_hooks[0]._parts.optimizer
    take(with_hooks[0])
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    take(with_hooks[0])
    take(without[0], 2)
    assert seen == ["before", "after"]
    for one, other in zip(with_hooks[1].parameters(), without[1].parameters(), strict=True):
        assert torch.equal(one, other)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        take(without[0])
    assert any(event.key.startswith("Optimizer.step") for event in profile.key_averages())


def test_a_function_that_only_looks_like_torch_s_wrapper_is_called(monkeypatch):
    monkeypatch.setattr(_Counts, "step", _counted, raising=False)
    steps, *_ = make_steps(lambda p: _Counts(p, lr=0.1))
    take(steps, 2)
    assert _Counts.calls == 2
