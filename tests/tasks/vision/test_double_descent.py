"""Networks of many widths in one model: independent of one another, and measured apart."""

from __future__ import annotations

import sys

import pytest
import torch

from suite import Split
from suite.components import registry

TASK = registry.get("task", "double_descent_mini")
RANDOM = registry.get("task", "double_descent_rf")
MODULE = sys.modules[type(TASK.problem).__module__]
SWEEP = sys.modules[MODULE.SideBySide.__module__]


def batch(count=50):
    torch.manual_seed(0)
    return torch.randn(count, 64), torch.randint(10, (count,))


@pytest.mark.parametrize("task", [TASK, RANDOM], ids=lambda task: task.name)
def test_each_width_trains_as_if_alone(task):
    inputs, targets = batch()
    model = task.problem.model()
    task.problem.criterion(model(inputs), targets).backward()
    for member in model.members:
        together = [p.grad.clone() for p in member.parameters()]
        member.zero_grad()
        task.problem.criterion(member(inputs).unsqueeze(1), targets).backward()
        alone = [p.grad for p in member.parameters()]
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(together, alone, strict=True))


def test_the_summed_losses_are_the_usual_ones():
    inputs, targets = batch()
    outputs = TASK.problem.model()(inputs)
    each = [torch.nn.functional.cross_entropy(outputs[:, i], targets) for i in range(8)]
    assert torch.allclose(SWEEP.summed_cross_entropy(outputs, targets), sum(each))
    wanted = torch.nn.functional.one_hot(targets, 10)
    squares = sum(((outputs[:, i] - wanted) ** 2).sum(1).mean() for i in range(8))
    assert torch.allclose(SWEEP.summed_squares(outputs, targets), squares)


def test_peak_by_hand():
    metrics = SWEEP.across_widths("error", (1, 2, 4, 8, 16), (0.5, 0.2, 0.4, 0.3, 0.1))
    assert metrics["mean_error"] == pytest.approx(0.3)
    assert metrics["worst_error"] == 0.5
    assert metrics["peak_height"] == pytest.approx(0.2)
    assert metrics["error_4"] == 0.4
    falling = SWEEP.across_widths("error", (1, 2, 4), (0.5, 0.3, 0.1))
    assert falling["peak_height"] == 0.0


def test_errors_of_each_width_are_its_own():
    targets = torch.tensor([0, 1, 2, 3])
    right = torch.nn.functional.one_hot(targets, 10).float()
    outputs = torch.stack(
        [right, right.roll(1, 1), right * torch.tensor([[1.0], [1], [0], [0]])], 1
    )
    split = Split(outputs, targets)
    metrics = SWEEP.errors_by_width(lambda scores: scores, split, (1, 2, 3))
    assert [metrics[f"error_{width}"] for width in (1, 2, 3)] == [0.0, 1.0, 0.5]


def test_the_exact_solution_peaks_where_width_meets_the_number_of_examples():
    """What the sweep is made to show: least squares on the random features, by width."""
    problem = RANDOM.problem
    data = problem.data(None, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = problem.model()
    wanted = torch.nn.functional.one_hot(data.train.targets, 10).double()
    for member in model.members:
        features = (data.train.inputs @ member.features).relu().double()
        solution = torch.linalg.pinv(features) @ wanted
        with torch.no_grad():
            member.head.weight.copy_(solution.T)
    metrics = problem.evaluate(model, data.test)
    peak = max(metrics[f"loss_{width}"] for width in problem.widths)
    assert metrics["loss_100"] == peak
    assert metrics["loss_100"] > 3 * metrics["loss_25"]
    assert metrics["loss_1000"] < metrics["loss_25"]
    assert metrics["peak_height"] > 1
