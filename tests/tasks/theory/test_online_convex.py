"""Where Adam fails: the examples of Reddi, Kale and Kumar 2018, with the answers they prove."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch.optim import SGD, Adam, AdamW

from suite.components import registry
from tests.tasks._trials import train


@pytest.fixture(scope="module")
def task():
    return registry.get("task", "adam_counterexample")


def test_one_round_in_a_period_has_the_large_gradient(task):
    problem = task.problem
    train_split = problem.data(Path("unused"), torch.Generator().manual_seed(0)).train
    assert train_split.inputs.shape == (problem.period, problem.coordinates)
    assert ((train_split.inputs == 1).sum(0) == 1).all()
    assert ((train_split.inputs < 0).sum(0) == problem.period - 1).all()
    assert (train_split.inputs.sum(0) > 0).all(), "the best fixed point is -1"


def test_distance_is_that_to_the_best_point(task):
    problem = task.problem
    held_out = problem.data(Path("unused"), torch.Generator().manual_seed(0)).test
    model = problem.model()
    with torch.no_grad():
        for position in (1.0, 0.25, -1.0):
            model.displacement.fill_(position - problem.start)
            found = problem.evaluate(model, held_out)["distance"]
            assert found == pytest.approx(position + 1, abs=1e-3)


def test_theorem_1_adam_ends_at_the_worst_point_and_amsgrad_at_the_best(task):
    """C x every third round and -x else, C > 2, beta1 = 0 and beta2 = 1 / (1 + C^2)."""
    ratio = 4.0
    beta2 = 1 / (1 + ratio**2)
    small = {"coordinates": 10, "period": 3, "ratio": ratio, "start": 0.0}
    ends = {}
    for amsgrad in (False, True):
        build = partial(Adam, lr=0.03, betas=(0.0, beta2), eps=0.0, amsgrad=amsgrad)
        ends[amsgrad] = train(task, build, steps=900, **small).test_score
    assert ends[False] > 1.9
    assert ends[True] < 0.1


def test_the_papers_experiment_drives_adam_up_and_amsgrad_down(task):
    """Slopes 1010 and -10, beta1 = 0.9, beta2 = 0.99, every 101st round: the best point is -1."""
    paper = {"coordinates": 200, "period": 101, "ratio": 101.0, "start": 0.0}
    periods = 2 * task.evaluations
    curves = []
    for amsgrad in (False, True):
        build = partial(Adam, lr=0.005, betas=(0.9, 0.99), amsgrad=amsgrad)
        run = train(task, build, steps=101 * periods, **paper)
        curves.append(run.curve.test["distance"])
    adam, amsgrad = curves
    # Whole periods lie between two evaluations. AMSGrad's memory fills in the first ones.
    assert adam == sorted(adam)
    assert adam[-1] > 1.2
    assert amsgrad[2:] == sorted(amsgrad[2:], reverse=True)


def test_no_weight_decay_helps_who_stands_still(task):
    """The start is the worst point, and decay pulls back to it."""
    model = task.problem.model()
    best = -task.problem.start
    with torch.no_grad():
        model.displacement.fill_(best - task.problem.start)
    optimizer = AdamW(model.parameters(), lr=0.1, weight_decay=5.0)
    model.displacement.grad = torch.zeros_like(model.displacement)
    optimizer.step()
    rounds = torch.eye(task.problem.coordinates)
    assert task.problem.start == 1.0
    assert (model(rounds) > best).all()


@pytest.mark.parametrize("lr", [0.01, 0.03])
def test_adam_ends_at_the_wrong_side_of_the_registered_task(task, lr):
    run = train(task, partial(Adam, lr=lr, fused=True))
    assert run.test_score > 1.3
    # The rounds' losses say the same as the position: moving away from the start did not pay.
    assert run.curve.test["regret"][-1] > 1.3


def test_at_no_rate_does_adam_reach_the_target_of_the_registered_task(task):
    """A step so large that a rare gradient crosses the interval is the nearest that Adam gets."""
    best = train(task, partial(Adam, lr=0.07, fused=True))
    assert best.test_score > task.target + 0.2


@pytest.mark.parametrize("lr", [0.015, 0.06])
def test_amsgrad_ends_at_the_right_side_of_the_registered_task(task, lr):
    run = train(task, partial(Adam, lr=lr, amsgrad=True, fused=True))
    assert run.test_score < task.target
    assert run.time_to_target is not None


def test_sgd_ends_at_the_right_side_of_the_registered_task(task):
    assert train(task, partial(SGD, lr=0.5)).test_score < task.target


def test_regret_of_who_stands_still_is_the_distance(task):
    run = train(task, partial(SGD, lr=0.0), steps=task.problem.period, coordinates=20)
    assert run.curve.test["regret"][-1] == pytest.approx(2.0, abs=1e-3)
    assert run.test_score == pytest.approx(2.0, abs=1e-3)


def test_weights_stay_in_the_interval(task):
    run = train(task, partial(SGD, lr=100.0), steps=50, coordinates=20)
    assert all(0.0 <= distance <= 2.0 + 1e-3 for distance in run.curve.test["distance"])
