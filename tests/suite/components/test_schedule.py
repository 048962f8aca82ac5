"""Applying a schedule to an optimizer's learning rates."""

from __future__ import annotations

import torch
from torch import nn

from suite import Combined
from suite.components.schedule import LearningRateSchedule


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def two_groups() -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.5, 0.02)]
    return torch.optim.SGD(groups)


def test_groups_keep_their_proportions():
    optimizer = two_groups()
    schedule = LearningRateSchedule(lambda progress: 1 - progress, optimizer)
    schedule.apply(0.5)
    assert rates(optimizer) == [0.25, 0.01]


def test_factors_do_not_pile_up():
    optimizer = two_groups()
    schedule = LearningRateSchedule(lambda progress: progress, optimizer)
    for progress in (0.5, 0.0, 1.0):
        schedule.apply(progress)
    assert rates(optimizer) == [0.5, 0.02]


def test_combined_optimizers_follow():
    parts = [torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=lr) for lr in (0.5, 0.02)]
    LearningRateSchedule(lambda progress: 0.5, Combined(*parts)).apply(0.0)
    assert [rates(part) for part in parts] == [[0.25], [0.01]]


def test_the_step_uses_the_scheduled_rate():
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    LearningRateSchedule(lambda progress: 0.25, optimizer).apply(0.0)
    weight.grad = torch.tensor([2.0])
    optimizer.step()
    assert weight.item() == 0.5
