from __future__ import annotations

import pytest
import torch

from suite import NotApplicable, Regularizer, search
from tests.checked import LR, Descent, component, verdict, verdicts

TITLES = ("no gradient", "frozen", "shapes", "bfloat16", "complex")


class DecaysAll(torch.optim.Optimizer):
    """Decays parameters without a gradient, too."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def step(self, closure):
        loss = closure()
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p.mul_(0.99)
                if p.grad is not None:
                    p.sub_(p.grad, alpha=0.1)
        return loss


class TouchesModel(Descent):
    def __init__(self, params, lr, model):
        super().__init__(params, lr)
        self.model = model

    def step(self, closure):
        loss = super().step(closure)
        with torch.no_grad():
            for p in self.model.parameters():
                p.clamp_(-0.1, 0.1)
        return loss


class NormalizesRows(Descent):
    """A number has no rows."""

    def change(self, p, group):
        p.sub_(p.grad / (p.grad[0].norm() + 1), alpha=group["lr"])


class DividesByDeviation(Descent):
    """Of a single entry there is none."""

    def change(self, p, group):
        p.sub_(p.grad / (p.grad.std() + 1e-8), alpha=group["lr"])


class Flattens(Descent):
    def change(self, p, group):
        super().change(p, group)
        if p.ndim > 3:
            p.data = p.data.flatten(1)
            p.grad = None


class MatricesOnly(Descent):
    def change(self, p, group):
        if p.ndim == 2:
            super().change(p, group)


class FloatState(Descent):
    def change(self, p, group):
        state = self.state[p]
        if not state:
            state["buffer"] = torch.zeros(p.shape)
        state["buffer"].lerp_(p.grad, 0.1)
        p.sub_(state["buffer"], alpha=group["lr"])


class BecomesFloat(Descent):
    def change(self, p, group):
        if p.dtype is torch.bfloat16:
            p.data = p.data.float() - group["lr"] * p.grad.float()
            p.grad = None
        else:
            super().change(p, group)


class Tiny(Descent):
    def change(self, p, group):
        p.sub_(p.grad, alpha=1e-9 * group["lr"])


class Penalized(Regularizer):
    """Gives every weight a gradient."""

    def penalty(self, model):
        return 0.1 * sum(p.square().sum() for p in model.parameters() if p.requires_grad)


class Shrinks(Regularizer):
    def after_step(self, model, optimizer):
        for p in model.parameters():
            if p.requires_grad:
                p.mul_(0.99)


class Streams(Regularizer):
    def attach(self, model, info):
        if info.tasks is None:
            raise NotApplicable("it needs a stream")

    def gradients(self, parameters):
        for p in parameters:
            if p.grad is not None:
                p.grad.mul_(0.5)


def test_a_right_optimizer_trains_them_all():
    found = verdicts(component(Descent), *TITLES)
    assert {v.outcome for v in found.values()} == {"ok"}


@pytest.mark.parametrize(
    ("title", "build", "outcome", "seen"),
    [
        ("no gradient", DecaysAll, "problem", "although its gradients are None"),
        ("frozen", TouchesModel, "problem", "requires_grad=False changes"),
        ("shapes", NormalizesRows, "problem", "on tensors of 0 to 4 dimensions: IndexError"),
        ("shapes", DividesByDeviation, "problem", "is not finite"),
        ("shapes", Flattens, "problem", "conv2.weight"),
        ("shapes", MatricesOnly, "warning", "did not move in 6 steps: number (), single (1,)"),
        ("bfloat16", FloatState, "problem", "in bfloat16: RuntimeError"),
        ("bfloat16", BecomesFloat, "problem", "became torch.float32"),
        ("bfloat16", Tiny, "warning", "rounded away"),
        ("complex", MatricesOnly, "ok", "finite"),
        ("complex", FloatState, "warning", "on a complex matrix"),
    ],
)
def test_each_finds_its_own(title, build, outcome, seen):
    found = verdict(title, build)
    assert found.outcome == outcome
    assert seen in found.seen
    assert found.cure or outcome == "ok"


def test_a_rate_at_which_bfloat16_moves_is_enough():
    space = {"lr": search.log_uniform(1e-9, 1.0, default=1e-9)}
    assert verdict("bfloat16", Descent, space=space).outcome == "ok"


def test_regularizers_may_act_on_all_weights():
    assert verdict("no gradient", Penalized, "regularizer").outcome == "ok"
    assert verdict("no gradient", Shrinks, "regularizer").outcome == "note"
    assert verdict("frozen", Shrinks, "regularizer").outcome == "ok"


def test_what_needs_a_stream_is_tried_on_one():
    found = verdicts(component(Streams, "regularizer"), *TITLES)
    said = {title: v.outcome for title, v in found.items()}
    assert said == {
        "no gradient": "ok",
        "frozen": "ok",
        "shapes": "not applicable",
        "bfloat16": "ok",
        "complex": "not applicable",
    }


def test_methods_without_gradients_cannot_know():
    class Random(torch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self, objective):
            loss = objective.loss()
            for p in self.param_groups[0]["params"]:
                p.add_(torch.randn_like(p), alpha=1e-3)
            return loss

    assert verdict("no gradient", Random, space=LR).outcome == "not applicable"
