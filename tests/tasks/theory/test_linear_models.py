"""Linear models: exact metrics, and what theory says of SGD, averaging and large steps."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest
import torch
from torch.optim import SGD, Adam

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.tasks._trials import train


def load(name, seed=0):
    task = registry.get("task", name)
    return task, task.problem.data(Path("unused"), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["anisotropic_quadratic", "sgd_ema_linreg"])
def test_the_covariance_has_the_declared_spectrum(name):
    task, data = load(name)
    inputs = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs])
    found = torch.linalg.eigvalsh(inputs.T @ inputs / len(inputs)).flip(0)
    expected = torch.arange(1, task.problem.features + 1) ** -task.problem.decay
    assert torch.allclose(found, expected, rtol=0.25)


def test_gradient_noise_at_the_solution_is_shaped_like_the_hessian():
    """Per example 2 (error) x, so the covariance is 4 noise^2 H; the Hessian 2 H."""
    task, data = load("anisotropic_quadratic")
    inputs, targets = data.train.inputs, data.train.targets
    solution = torch.linalg.lstsq(data.test.inputs, data.test.targets.unsqueeze(1)).solution
    gradients = 2 * (inputs @ solution - targets.unsqueeze(1)) * inputs
    covariance = gradients.T @ gradients / len(inputs)
    hessian = inputs.T @ inputs / len(inputs)
    expected = 4 * task.problem.noise**2 * hessian
    assert (covariance - expected).norm() < 0.1 * expected.norm()


def test_excess_risk_is_zero_at_the_solution_and_does_not_count_the_noise():
    task, data = load("sgd_ema_linreg")
    solution = torch.linalg.lstsq(data.test.inputs, data.test.targets.unsqueeze(1)).solution
    model = task.problem.model()
    with torch.no_grad():
        at_zero = task.problem.evaluate(model, data.test)["log10_excess_risk"]
        model[0].weight.copy_(solution.T)
        at_solution = task.problem.evaluate(model, data.test)["log10_excess_risk"]
    assert at_zero == pytest.approx(math.log10(float(data.test.targets.square().mean())), abs=1e-5)
    assert at_solution < -8


def test_variance_grows_with_the_learning_rate():
    """Once the bias is gone, the excess risk of plain SGD is proportional to its step."""
    task = registry.get("task", "sgd_ema_linreg")
    small, large = (
        train(task, partial(SGD, lr=lr), steps=800, noise=3.0).test_score for lr in (0.01, 0.08)
    )
    assert small < large - 0.5


def test_averaging_takes_the_variance_away():
    task = registry.get("task", "sgd_ema_linreg")
    settings = {"lr": 0.08, "momentum": 0.5, "nesterov": False, "weight_decay": 1e-5}
    last = (("optimizer", "sgd"),)
    averaged = (*last, ("regularizer", "iterate_ema"))
    scores = []
    for components in (last, averaged):
        hyperparameters = {"sgd": settings}
        if components is averaged:
            hyperparameters["iterate_ema"] = {"decay": 0.99}
        runs = [
            run_trial(Trial(task.name, components, hyperparameters, 0, seed, "evaluation")).run
            for seed in (1, 2)
        ]
        assert all(run.status == "completed" for run in runs)
        scores.append(fmean(run.test_score for run in runs))
    assert scores[1] < scores[0] - 0.3


def test_the_largest_margin_of_two_points_is_known():
    max_margin = load("separable_logreg")[0].problem.data.__globals__["max_margin"]
    inputs, labels = torch.tensor([[1.0, 0.0], [0.0, -2.0]]), torch.tensor([1.0, -1.0])
    # The separator is as far from (1, 0) as from (0, 2): at 2 / sqrt(5).
    assert max_margin(inputs, labels) == pytest.approx(2 / math.sqrt(5), rel=1e-4)
    with pytest.raises(ValueError, match="not linearly separable"):
        max_margin(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), labels)


def test_shortfall_of_the_best_separator_is_zero_at_any_length():
    task, data = load("separable_logreg")
    model = task.problem.model()
    support = data.test.inputs.double()
    # Hard-margin solution of an interpolating problem: least norm with all margins at least 1.
    w = torch.zeros(support.shape[1], dtype=torch.float64)
    dual = torch.zeros(len(support), dtype=torch.float64)
    step = 1 / torch.linalg.matrix_norm(support @ support.T, 2)
    for _ in range(20_000):
        dual = (dual + step * (1 - support @ w)).clamp(min=0)
        w = support.T @ dual
    for length in (1e-3, 1.0, 1e3):
        with torch.no_grad():
            model[0].weight.copy_((length * w).unsqueeze(0))
            metrics = task.problem.evaluate(model, data.test)
        assert metrics["margin_shortfall"] == pytest.approx(0.0, abs=1e-3)
        assert metrics["error"] == 0.0


def test_larger_steps_come_closer_to_the_largest_margin():
    task = registry.get("task", "separable_logreg")
    runs = [train(task, partial(SGD, lr=lr), steps=500) for lr in (0.01, 0.1, 1.0)]
    shortfalls = [run.test_score for run in runs]
    assert shortfalls == sorted(shortfalls, reverse=True)
    assert shortfalls[-1] < 0.2
    assert runs[-1].curve.test["error"][-1] == 0.0


def test_descent_with_huge_steps_is_the_batch_perceptron():
    task, data = load("separable_logreg")
    signed, rate = data.test.inputs, 1e4
    model = task.problem.model()
    optimizer = SGD(model.parameters(), lr=rate * len(signed))
    perceptron = signed.sum(0) / 2  # at w = 0 every example has the weight 1/2
    for step in range(100):
        optimizer.zero_grad()
        task.problem.criterion(model(data.train.inputs), data.train.targets).backward()
        optimizer.step()
        if step:
            perceptron = perceptron + signed[signed @ perceptron < 0].sum(0)
        assert torch.allclose(model[0].weight[0] / rate, perceptron, rtol=1e-3, atol=0.1)
        if (signed @ perceptron > 0).all():
            break
    assert 0 < step < 99
    assert task.problem.evaluate(model, data.test)["error"] == 0.0


def test_adam_maximizes_the_margin_in_another_norm():
    """Gradient descent: |w|_2 (Soudry et al. 2018). Adam: |w|_inf (Zhang et al. 2024)."""
    task, data = load("separable_logreg")
    weights = []
    for build in (partial(SGD, lr=3.0), partial(Adam, lr=0.01)):
        model = task.problem.model()
        optimizer = build(model.parameters())
        for _ in range(1500):
            optimizer.zero_grad()
            task.problem.criterion(model(data.train.inputs), data.train.targets).backward()
            optimizer.step()
        weights.append(model[0].weight[0].detach())
    descent, adam = weights

    def margin(w, norm):
        return float((data.test.inputs @ w).min() / w.norm(p=norm))

    assert margin(descent, 2) > 1.05 * margin(adam, 2) > 0
    assert margin(adam, math.inf) > 1.05 * margin(descent, math.inf) > 0


def test_the_loss_is_finite_however_wrong():
    criterion = registry.get("task", "separable_logreg").problem.criterion
    outputs = torch.tensor([1e4, -1e4, 0.0], requires_grad=True)
    loss = criterion(outputs, torch.tensor([-1.0, -1.0, 1.0]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx((1e4 + math.log(2)) / 3)
    assert outputs.grad.tolist() == pytest.approx([1 / 3, 0.0, -1 / 6])
