"""Optimizers as libraries write them: each works, or is refused by a message whose advice works.

The small classes behave as those of public libraries do; none of these is needed.
"""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch
from torch.optim import LBFGS, SGD, AdamW, Muon, Optimizer, SparseAdam

from suite import Combined, schedule
from suite.components import registry
from suite.errors import UsageError
from suite.training.advice import advised
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.methods import registered_methods


@pytest.fixture
def run(tmp_path):
    """Runs an optimizer on digits at the smoke protocol's budget, 10 evaluations."""
    with registered_methods() as register:

        def run(build, scheduled="", **how):
            register(build, extra=how)
            parts = [("optimizer", "hidden_steps")]
            if scheduled:
                parts.append(("schedule", scheduled))
            trial = Trial(
                task="digits",
                components=tuple(parts),
                hyperparameters={name: registry.get(kind, name).defaults for kind, name in parts},
                number=0,
                seed=1,
                purpose="evaluation",
                budget_fraction=0.05,
                data_folder=str(tmp_path),
            )
            return run_trial(trial).run

        yield run


def refused(done, *said):
    """A trial that failed at once, with a reason that says all this."""
    assert done.status == "failed"
    assert done.cost.steps == 0
    for text in said:
        assert text in done.reason


def works(done, steps=10):
    assert (done.status, done.reason) == ("completed", None)
    assert done.cost.steps == steps


# -- closures and gradients -----------------------------------------------------------------------


class NoClosure(SGD):
    """muon-optimizer, DoWG."""

    def step(self):
        return super().step()


def test_a_step_without_a_closure_works(run):
    works(run(lambda params: NoClosure(params, lr=0.1)))


class NeverCalls(SGD):
    """Ranger of several libraries."""

    def step(self, closure=None):
        return super().step()


def test_a_closure_that_is_never_called(run):
    def build(params):
        return NeverCalls(params, lr=0.1)

    refused(run(build), "gradient_first=True", "loss = closure(); super().step(closure)")
    works(run(build, gradient_first=True))

    class Mine(NeverCalls):
        def step(self, closure):
            loss = closure()
            super().step(closure)
            return loss

    works(run(lambda params: Mine(params, lr=0.1)))


class ClimbsFirst(SGD):
    """SAM, LookSAM, FriendlySAM, BSAM of pytorch_optimizer."""

    @torch.no_grad()
    def step(self, closure):
        params = self.param_groups[0]["params"]
        climbs = [0.01 * p.grad for p in params if p.grad is not None]
        if climbs:
            torch._foreach_add_(params, climbs)
        with torch.enable_grad():
            loss = closure()
        if climbs:
            torch._foreach_sub_(params, climbs)
        super().step()
        return loss


def test_gradients_that_are_needed_before_the_closure(run):
    def build(params):
        return ClimbsFirst(params, lr=0.1)

    refused(run(build), "gradient_first=True")
    works(run(build, gradient_first=True), steps=5)


class DifferentiatesAgain(SGD):
    """AdaHessian, SophiaH; torch-optimizer's detaches gradients in place afterwards."""

    def step(self, closure):
        loss = closure()
        params = self.param_groups[0]["params"]
        if self.checks and any(p.grad.grad_fn is None for p in params):
            raise RuntimeError("Gradient tensor 0 does not have grad_fn.")
        torch.autograd.grad([p.grad for p in params], params, [torch.ones_like(p) for p in params])
        for p in params:
            p.grad.detach_()
        super().step()
        return loss


@pytest.mark.parametrize("checks", [False, True])
def test_gradients_that_are_differentiated_again(run, checks):
    class Method(DifferentiatesAgain):
        pass

    Method.checks = checks

    def build(params):
        return Method(params, lr=0.1)

    refused(run(build), "create_graph=True", "objective.hvp(vector)")
    works(run(build, create_graph=True), steps=3)


def test_more_calls_of_the_closure_than_the_budget_has(run):
    refused(run(lambda params: LBFGS(params)), "max_iter=4")
    works(run(lambda params: LBFGS(params, max_iter=4)), steps=2)


class NoStep(Optimizer):
    """LOMO: it updates weights in a backward pass of its own."""

    def __init__(self, model):
        super().__init__(model.parameters(), {})


def test_an_optimizer_without_a_step(run):
    refused(run(NoStep), "NotImplementedError", "has no step to call", "step(self, closure)")


# -- what `build` gets ----------------------------------------------------------------------------


class NamesFirst(SGD):
    """adam-mini: the argument is called named_parameters."""

    def __init__(self, named_parameters):
        super().__init__([p for name, p in named_parameters], lr=0.1)


class NamesUnsaid(SGD):
    def __init__(self, params):
        super().__init__([p for _, p in params], lr=0.1)


def test_names_of_parameters(run):
    works(run(NamesFirst))
    refused(run(NamesUnsaid), "def build(params, lr, named_parameters)")
    works(run(lambda params, named_parameters: NamesUnsaid(named_parameters)))


class ModelFirst(SGD):
    def __init__(self, model):
        super().__init__(model.parameters(), lr=0.1)


class NeedsMore(SGD):
    """BSAM, SAM: further arguments without a default."""

    def __init__(self, params, num_data):
        super().__init__(params, lr=num_data * 1e-4)


def test_a_model_and_facts_of_the_task(run):
    works(run(ModelFirst))
    with pytest.raises(
        UsageError, match=r"needs the argument 'num_data'.*def build\(params, lr, info"
    ):
        run(NeedsMore)
    works(run(lambda params, info: NeedsMore(params, num_data=info.examples)))


# -- roles and groups -----------------------------------------------------------------------------


def matrices_and_others(params):
    matrices = [p for p in params if p.role == "hidden" and p.ndim == 2]
    return matrices, [p for p in params if not any(p is matrix for matrix in matrices)]


class WantsGroups(SGD):
    """Muon of pytorch_optimizer."""

    def __init__(self, params):
        for group in params:
            if "use_muon" not in group:
                raise ValueError("use_muon must be set")
        super().__init__(params, lr=0.1)


def test_groups_with_entries_of_their_own(run):
    refused(run(WantsGroups), "Tensor.__contains__", 'p.role == "hidden"', '"use_muon": True')

    def build(params):
        chosen, rest = matrices_and_others(params)
        return WantsGroups(
            [{"params": chosen, "use_muon": True}, {"params": rest, "use_muon": False}]
        )

    works(run(build))


#: in a file of its own, since pytest rewrites the assertions of this one
ASSERTS = """
import torch


class Method(torch.optim.SGD):
    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                assert p.grad.ndim >= 2  # as in the author's code
        super().step()
        return loss
"""


@pytest.fixture
def asserts(tmp_path):
    """SingleDeviceMuon of muon-optimizer, whose assertion has no text."""
    path = tmp_path / "of_a_library.py"
    path.write_text(ASSERTS)
    module = importlib.util.spec_from_file_location("of_a_library", path)
    found = importlib.util.module_from_spec(module)
    module.loader.exec_module(found)
    return found.Method


def check_matrices(run, method, said):
    refused(run(lambda params: method(params, lr=0.01)), said, "suite.Combined(")

    def build(params):
        matrices, others = matrices_and_others(params)
        return Combined(method(matrices, lr=0.01), AdamW(others, lr=1e-3))

    works(run(build))


def test_methods_for_matrices(run):
    check_matrices(run, Muon, "only supports 2D")


def test_methods_for_matrices_that_only_assert_it(run, asserts):
    check_matrices(run, asserts, "AssertionError: assert p.grad.ndim >= 2")


#: as Adafactor of torch-optimizer and LoRARite of pytorch_optimizer: errors of intermediate sizes
INSTALLED = """
import torch


class ForSome(torch.optim.SGD):
    def step(self, closure=None):
        loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                self.update(p)
        super().step()
        return loss

    def update(self, p):
        rows, columns = p.shape


class Pairs(torch.optim.SGD):
    def step(self, closure=None):
        loss = closure()
        left, right = [p for p in self.param_groups[0]["params"] if p.ndim == 2][:2]
        left.grad @ right.grad.mT.mT.mT
        return loss
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A function that gives the module of a package that lies where pip puts one."""

    def make():
        folder = tmp_path / "target"
        (folder / "some_library").mkdir(parents=True)
        about = folder / "some_library-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: some_library\nVersion: 1.0\n")
        (folder / "some_library" / "__init__.py").write_text(INSTALLED)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, "some_library", raising=False)
        return importlib.import_module("some_library")

    yield make
    sys.modules.pop("some_library", None)


def test_a_library_that_cannot_train_a_shape_is_named_with_the_parameter(run, installed):
    library = installed()
    shapes = []

    def look(params):
        shapes.append(tuple(params[1].shape))
        return SGD(params, lr=0.1)

    run(look)
    said = f"ForSome of some_library cannot train a parameter of shape {shapes[0]} (bias)"
    done = run(lambda params: library.ForSome(params, lr=0.1))
    refused(done, "not enough values to unpack", said, "'Groups by role' in docs/submit.md")
    assert "low-rank" not in done.reason

    class Mine(library.ForSome):
        """As a file would write it for a train() or eval() that fails."""

    refused(run(lambda params: Mine(params, lr=0.1)), said)


def test_a_library_that_wants_matrices_of_a_special_kind(run, installed):
    library = installed()
    refused(
        run(lambda params: library.Pairs(params, lr=0.1)),
        "mat1 and mat2 shapes",
        "Pairs of some_library cannot train",
        "though these are plain matrices",
        "pairs of low-rank factors",
    )


def test_roles_that_a_model_does_not_have(run):
    def build(params):
        return SGD([p for p in params if p.role == "embedding"], lr=0.1)

    refused(run(build), "empty parameter list", "only of parameters that exist")


# -- the rest -------------------------------------------------------------------------------------


class Wrapped(SGD):
    """SAMWrapper of heavyball: it passes train() on to an optimizer that has none."""

    def train(self):
        self.inner.train()

    def eval(self):
        self.inner.eval()

    @property
    def inner(self):
        return SGD(self.param_groups, lr=0.1)


def test_train_and_eval_that_fail(run):
    refused(run(lambda params: Wrapped(params, lr=0.1)), "train() and eval()", "with `pass`")

    class Mine(Wrapped):
        def train(self):
            pass

        def eval(self):
            pass

    works(run(lambda params: Mine(params, lr=0.1)))


class OwnRate(Optimizer):
    """Keeps its rate to itself, so that no schedule can change it."""

    def __init__(self, params):
        super().__init__(params, {})

    def step(self, closure):
        loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.sub_(p.grad, alpha=group.get("lr", 0.1))
        return loss


def test_a_schedule_of_a_rate_that_no_group_has(run):
    works(run(OwnRate))
    refused(run(OwnRate, scheduled="cosine"), "has 'lr'", "super().__init__(params, {name: value})")

    class Mine(OwnRate):
        def __init__(self, params):
            super().__init__([{"params": params, "lr": 0.1}])

    works(run(Mine, scheduled="cosine"))


def test_what_cannot_work_says_so(run):
    refused(run(lambda params: SparseAdam(params)), "All gradients are dense here")

    class ManyProcesses(SGD):
        """Muon of muon-optimizer, DistributedMuon of pytorch_optimizer."""

        def step(self, closure):
            raise ValueError("Default process group has not been initialized")

    refused(
        run(lambda params: ManyProcesses(params, lr=0.1)), "for several processes", "single device"
    )


def test_a_reason_without_advice_stays_as_it_is(run):
    class Broken(SGD):
        def step(self, closure):
            raise ValueError("something of its own")

    refused(run(lambda params: Broken(params, lr=0.1)), "ValueError: something of its own")


def test_advice_never_hides_a_reason():
    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError

    assert advised(lambda error: "a reason")(Unprintable()) == "a reason"
    assert advised(lambda error: "KeyError: x")(KeyError("x")) == "KeyError: x"


def test_no_rate_is_exactly_zero(run):
    """Some optimizers of libraries divide by the rate."""
    seen = []

    class Divides(SGD):
        def step(self, closure):
            seen.append(1 / self.param_groups[0]["lr"])
            return super().step(closure)

    schedule("hidden_line", lambda progress: progress, paper="none", url="", summary="From 0.")
    try:
        works(run(lambda params: Divides(params, lr=0.1), scheduled="hidden_line"))
    finally:
        del registry._registry.found["schedule", "hidden_line"]
    assert len(seen) == 10
