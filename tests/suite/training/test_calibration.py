"""Calibration works for every task that torch's optimizers can train."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.commands import TINY
from tests.methods import registered_methods


class Complex(nn.Module):
    """A layer with complex weights."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, inputs, dtype=torch.cfloat))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return (inputs.to(torch.cfloat) @ self.weight.T).abs()


def test_a_task_with_complex_weights_runs_with_plain_optimizers(tmp_path) -> None:
    (tiny,) = registry.load_file(TINY)
    real = next(tiny.problem.model().parameters())
    classes = tiny.problem.classes

    class Problem(type(tiny.problem)):
        def model(self) -> nn.Module:
            return Complex(real.shape[1], classes)

    problem = Problem.__new__(Problem)
    vars(problem).update(vars(tiny.problem))
    task = dataclasses.replace(tiny, name="complex_blobs", problem=problem)
    with registry.replaced(task), registered_methods() as declare:
        for plain in (torch.optim.SGD, torch.optim.Adam):
            declare(plain)
            methods = (("optimizer", "hidden_steps"),)
            trial = Trial(task.name, methods, {"hidden_steps": {}}, 0, 0, "evaluation", 0.05)
            run = run_trial(trial).run
            assert run.status == "completed", run.traceback
