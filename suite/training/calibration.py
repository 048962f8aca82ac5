"""Calibration: how long steps and evaluations of a task take on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from suite.data.split import Split
from suite.problems.task import Task
from suite.training.clock import busy_seconds, synchronize

_CALIBRATION_SECONDS = 0.04


_CALIBRATION_STEPS = 20


_calibrations: dict[tuple[str, int, str, int], float] = {}


def warm_up() -> None:
    """Make torch's first optimizer, which imports its compiler, before anything is timed."""
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])


def calibrate(task: Task, train: Split, device: str) -> float:
    """Busy seconds of one AdamW step of a task on this machine: the unit for those of other steps.

    Timed once per process. Uses torch's global generator: call it before seeding.
    """
    key = (task.name, task.version, device, torch.get_num_threads())
    if key not in _calibrations:
        model = _ready(task, train, device)
        # The fused kernel takes no complex numbers.
        real = not any(parameter.is_complex() for parameter in model.parameters())
        optimizer = torch.optim.AdamW(model.parameters(), fused=real)
        _calibrations[key] = _time_steps(
            task, model, train, device, optimizer.step, lambda: busy_seconds(device)
        )
    return _calibrations[key]


def time_gradient(task: Task, train: Split, device: str) -> float:
    """Seconds of one gradient evaluation, for estimates.

    Without an optimizer: making torch's first one imports its compiler, which takes seconds.
    """
    model = _ready(task, train, device)
    return _time_steps(task, model, train, device, lambda: None, time.perf_counter)


def _ready(task: Task, train: Split, device: str) -> nn.Module:
    model = task.problem.model().to(device)
    task.problem.initialize(model, train)
    task.problem.accelerate(model, device)
    return model.train()


def _time_steps(
    task: Task,
    model: nn.Module,
    train: Split,
    device: str,
    update: Callable[[], object],
    clock: Callable[[], float],
) -> float:
    """Median seconds by `clock` of up to 20 steps within 40 ms, after two for warm-up."""
    problem = task.problem
    batches = problem.batches(train, task.batch_size, torch.Generator().manual_seed(0))
    seconds: list[float] = []
    for step in range(2 + _CALIBRATION_STEPS):
        inputs, targets = next(batches)
        synchronize(device)
        began = clock()
        model.zero_grad()
        problem.criterion(*problem.restrict(model(inputs), targets)).backward()
        update()
        synchronize(device)
        if step >= 2:
            seconds.append(clock() - began)
            if sum(seconds) > _CALIBRATION_SECONDS:
                break
    return statistics.median(seconds)


def time_evaluation(task: Task, model: nn.Module, split: Split) -> float:
    """Seconds of one evaluation of a model on a split, for estimates."""
    model.eval()
    began = time.perf_counter()
    with torch.no_grad():
        task.problem.evaluate(model, split)
    return time.perf_counter() - began
