"""Applying a schedule to an optimizer's learning rates."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from suite import Combined, NotApplicable, Regularizer
from suite.components import registry
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
    with pytest.raises(NotApplicable, match=r"it sets 'lr', and no parameter group"):
        Schedules([lambda progress: 0.5], optimizer)


# -- other quantities -----------------------------------------------------------------------------


class Strength(Regularizer):
    def __init__(self):
        self.rho = 0.2


def test_a_mapping_sets_other_entries_of_the_groups():
    weight = [nn.Parameter(torch.ones(1))]
    optimizer = torch.optim.SGD(weight, lr=1.0, momentum=0.9, weight_decay=0.1)
    schedule = Schedules([lambda p: {"momentum": 1 - p, "weight_decay": p}], optimizer)
    schedule.apply(0.5)
    schedule.apply(0.25)
    group = optimizer.param_groups[0]
    assert group["momentum"] == pytest.approx(0.9 * 0.75)
    assert group["weight_decay"] == pytest.approx(0.1 * 0.25)
    assert group["lr"] == 1.0


def test_the_momentum_of_an_adam_is_its_first_beta():
    optimizer = torch.optim.AdamW([nn.Parameter(torch.ones(1))], betas=(0.8, 0.99))
    Schedules([lambda progress: {"momentum": 0.5}], optimizer).apply(0.0)
    assert optimizer.param_groups[0]["betas"] == (0.4, 0.99)


def test_a_regularizers_strength_is_scheduled_by_its_name():
    optimizer, strength = two_groups(), Strength()
    schedule = Schedules([lambda p: {"sam.rho": p}], optimizer, {"sam": strength})
    for progress in (0.75, 0.5):
        schedule.apply(progress)
    assert strength.rho == pytest.approx(0.1)
    assert strength.lr_factor == 1.0


def test_several_schedules_multiply():
    optimizer, strength = two_groups(), Strength()
    factors = [lambda p: 0.5, lambda p: {"lr": 1 - p, "momentum": 1.0}]
    schedule = Schedules(factors, optimizer, {"sam": strength})
    schedule.apply(0.2)
    assert rates(optimizer) == pytest.approx([0.2, 0.008])
    assert strength.lr_factor == pytest.approx(0.4)


def test_what_is_no_longer_in_the_mapping_is_as_it_was():
    optimizer = two_groups()
    schedule = Schedules([lambda p: {"lr": 0.5} if p < 0.5 else {}], optimizer)
    schedule.apply(0.0)
    schedule.apply(0.6)
    assert rates(optimizer) == [0.5, 0.02]


@pytest.mark.parametrize("key", ["dampening_rate", "sam.radius", "other.rho", "betas"])
def test_a_quantity_that_is_nowhere_is_refused_before_the_first_step(key):
    with pytest.raises(NotApplicable, match=f"it sets '{key}'"):
        Schedules([lambda progress: {key: 0.5}], two_groups(), {"sam": Strength()})


def test_no_step_has_a_warm_up_of_exactly_zero_or_a_decay_to_it():
    for name in ("linear_decay", "cosine"):
        component = registry.get("schedule", name)
        factor = functools.partial(component.build, **{**component.defaults, "warmup": 0.2})
        optimizer = two_groups()
        schedule = Schedules([factor], optimizer, step=0.1)
        read = []
        for step in range(10):
            schedule.apply(step / 10)
            read.append(optimizer.param_groups[0]["lr"])
        assert min(read) > 0
        assert read[0] == pytest.approx(0.5 * 0.05 / 0.2)
