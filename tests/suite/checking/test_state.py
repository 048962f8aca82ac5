from __future__ import annotations

import pytest
import torch

from suite import Regularizer
from tests.checked import LR, Descent, component, verdict, verdicts


class Momentum(Descent):
    def change(self, p, group):
        state = self.state[p]
        if not state:
            state["buffer"] = torch.zeros_like(p)
        state["buffer"].mul_(0.9).add_(p.grad)
        p.sub_(state["buffer"], alpha=group["lr"])


class StateInAttribute(Descent):
    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.buffers = {}

    def change(self, p, group):
        buffer = self.buffers.setdefault(p, torch.zeros_like(p))
        buffer.mul_(0.9).add_(p.grad)
        p.sub_(buffer, alpha=group["lr"])


class CountsInAttribute(Momentum):
    """Every tenth step is longer."""

    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.steps = 0

    def step(self, closure):
        self.steps += 1
        return super().step(closure)

    def change(self, p, group):
        super().change(p, {**group, "lr": group["lr"] * (2 if self.steps % 10 == 0 else 1)})


class CannotBeSaved(Descent):
    def change(self, p, group):
        self.state[p]["rule"] = lambda: None
        super().change(p, group)


class DrawsNoise(Momentum):
    """Resumes only if the random stream does."""

    def change(self, p, group):
        super().change(p, group)
        p.add_(torch.randn_like(p), alpha=1e-3)


class KeepsGraph(Descent):
    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.total = torch.zeros((), requires_grad=True)

    def step(self, closure):
        loss = super().step(closure)
        self.total = 0.9 * self.total + loss
        return loss


class KeepsPenalty(Regularizer):
    """Averages a penalty with its graph."""

    def __init__(self):
        self.average = 0.0

    def penalty(self, model):
        size = sum(p.square().sum() for p in model.parameters())
        self._mean = 0.9 * getattr(self, "_mean", 0.0) + 0.1 * size.detach() + 0 * size
        self._all = [*getattr(self, "_all", []), size]
        return 1e-4 * size


@pytest.mark.parametrize("build", [Momentum, DrawsNoise, torch.optim.AdamW])
def test_whole_state_goes_on_to_the_same_bits(build):
    assert verdict("state_dict", build).outcome == "ok"


def test_torchs_schedules_of_moments_go_on():
    assert verdict("state_dict", torch.optim.NAdam).outcome == "ok"


@pytest.mark.parametrize(
    ("build", "seen"),
    [
        (StateInAttribute, "it keeps buffers in attributes"),
        (CountsInAttribute, "it keeps steps in attributes"),
        (CannotBeSaved, "state_dict after 7 steps"),
    ],
)
def test_state_that_is_lost_is_found(build, seen):
    found = verdict("state_dict", build)
    assert found.failed
    assert seen in found.seen
    assert "self.state[p]" in found.cure


@pytest.mark.parametrize(
    ("build", "kind"), [(KeepsGraph, "optimizer"), (KeepsPenalty, "regularizer")]
)
def test_a_graph_that_grows_is_found(build, kind):
    found = verdict("kept graphs", build, kind)
    assert found.failed
    assert "Detach" in found.cure


def test_a_right_one_keeps_no_graph():
    assert verdict("kept graphs", Momentum).outcome == "ok"
    found = verdicts(component(Momentum, space=LR, create_graph=True), "kept graphs")
    assert found["kept graphs"].outcome == "ok"
