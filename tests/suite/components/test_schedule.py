"""Applying a schedule to an optimizer's learning rates."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from suite import Combined, NotApplicable
from suite.components.schedule import Schedules


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def two_groups() -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.5, 0.02)]
    return torch.optim.SGD(groups)


def test_groups_keep_their_proportions():
    optimizer = two_groups()
    schedule = Schedules([lambda progress: 1 - progress], optimizer)
    schedule.apply(0.5)
    assert rates(optimizer) == [0.25, 0.01]


def test_factors_do_not_pile_up():
    optimizer = two_groups()
    schedule = Schedules([lambda progress: progress], optimizer)
    for progress in (0.5, 0.0, 1.0):
        schedule.apply(progress)
    assert rates(optimizer) == [0.5, 0.02]


def test_combined_optimizers_follow():
    parts = [torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=lr) for lr in (0.5, 0.02)]
    Schedules([lambda progress: 0.5], Combined(*parts)).apply(0.0)
    assert [rates(part) for part in parts] == [[0.25], [0.01]]


def test_the_step_uses_the_scheduled_rate():
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    Schedules([lambda progress: 0.25], optimizer).apply(0.0)
    weight.grad = torch.tensor([2.0])
    optimizer.step()
    assert weight.item() == 0.5


def test_groups_that_a_method_replaces_are_scheduled_at_their_own_rates():
    """As layer-wise learning rates do after the first step."""
    optimizer = two_groups()
    schedule = Schedules([lambda progress: 1 - progress], optimizer)
    schedule.apply(0.5)
    optimizer.param_groups = [
        {**group, "lr": group["lr"] * scale}
        for group, scale in zip(optimizer.param_groups, (1.0, 10.0), strict=True)
    ]
    schedule.apply(0.75)
    assert rates(optimizer) == pytest.approx([0.125, 0.05])
    optimizer.param_groups[0]["lr"] *= 2  # at a factor of 0.25
    schedule.apply(0.0)
    assert rates(optimizer) == pytest.approx([1.0, 0.2])


def test_a_rate_of_zero_comes_back():
    optimizer = two_groups()
    schedule = Schedules([lambda progress: progress], optimizer)
    for progress in (0.0, 0.0, 1.0):
        schedule.apply(progress)
    assert rates(optimizer) == [0.5, 0.02]


def test_a_rate_that_is_a_tensor_is_scheduled():
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=torch.tensor(0.5))
    schedule = Schedules([lambda progress: 1 - progress], optimizer)
    for progress in (0.0, 0.5):
        schedule.apply(progress)
    assert float(optimizer.param_groups[0]["lr"]) == 0.25


def test_groups_without_a_rate_are_left_alone_and_at_least_one_has_it():
    optimizer = two_groups()
    del optimizer.param_groups[0]["lr"]
    Schedules([lambda progress: 0.5], optimizer).apply(0.0)
    assert [group.get("lr") for group in optimizer.param_groups] == [None, 0.01]
    del optimizer.param_groups[1]["lr"]
    with pytest.raises(NotApplicable, match=r"cannot work: no parameter group .* has 'lr'"):
        Schedules([lambda progress: 0.5], optimizer)
