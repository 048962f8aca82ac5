"""Diagnostics of gradients and examples, on gradients of known directions and by brute force."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from suite.components import registry
from suite.errors import NotApplicable
from tests.probes import Linear, Run, close, example_gradients, perceptron, weights_of

registry.load_all("diagnostic")


def linear(rows: list[list[float]], targets: list[float]) -> Run:
    """At w = 0, the gradient of example i is -2 y_i x_i."""
    batch = (torch.tensor(rows), torch.tensor(targets))
    return Run(Linear([0.0] * len(rows[0])), batch, criterion=nn.functional.mse_loss)


def axes(count: int = 8) -> Run:
    """Gradients of examples that are orthogonal and of norm 2."""
    return linear(torch.eye(count).tolist(), [1.0] * count)


def same(count: int = 8) -> Run:
    return linear([[1.0, 2.0]] * count, [1.0] * count)


def test_orthogonal_and_equal_gradients():
    close(axes().see("coherence_alpha"), alpha=1 / 8, examples=1.0)
    close(same().see("coherence_alpha"), alpha=1.0, examples=8.0)
    close(axes().see("gradient_direction_variance"), variance=0.5)
    close(same().see("gradient_direction_variance"), variance=0.0, error=0.0)
    # The cosine of an axis with the mean of eight axes is 1 / sqrt(8).
    close(axes().see("gradient_direction_variance"), error=(1 - 8**-0.5) / 2)


def test_coherence_by_brute_force():
    run = perceptron()
    gradients = example_gradients(run)[:32]
    alpha = gradients.mean(0).square().sum() / gradients.square().sum(1).mean()
    close(run.see("coherence_alpha"), alpha=float(alpha))


def test_the_noise_scale():
    close(same().see("gradient_noise_scale"), scale=0.0, variance=0.0)
    run = perceptron()
    gradients = example_gradients(run).double()
    parts = gradients.view(8, 5, -1).mean(1)
    # Of parts of 5 examples: 5 times their sample covariance estimates that of an example.
    trace = 5 * float((parts - parts.mean(0)).square().sum()) / 7
    squared = float(gradients.mean(0).square().sum()) - trace / 40
    found = run.see("gradient_noise_scale")
    close(found, variance=trace, scale=trace / squared if squared > 0 else None)


def test_the_noise_scale_of_drawn_gradients():
    """w = 0 and targets 1: the gradient is -2 x, of mean -2 m and covariance 4 s^2 I."""
    torch.manual_seed(0)
    inputs = torch.tensor([1.0, 0.0, 0.0]) + 0.5 * torch.randn(4000, 3)
    run = Run(Linear([0.0] * 3), (inputs, torch.ones(4000)), criterion=nn.functional.mse_loss)
    found = run.see("gradient_noise_scale")
    assert found["scale"] == pytest.approx(3 * 4 * 0.25 / 4, rel=0.5)


def test_drift_and_diffusion():
    run = perceptron()
    rows = example_gradients(run).view(8, 5, -1).mean(1)
    ratios = []
    start = 0
    for parameter in run.model.parameters():
        own = rows[:, start : start + parameter.numel()]
        start += parameter.numel()
        ratios.append(float(own.mean(0).norm() / own.std(0).norm()))
    ratios.sort()
    found = run.see("gradient_snr_phases")
    close(found, smallest=ratios[0], largest=ratios[-1], median=(ratios[1] + ratios[2]) / 2)
    close(same().see("gradient_snr_phases"), median=None)


def test_the_core_of_gradients():
    run = perceptron(width=8, classes=8)
    run.model = nn.Sequential(nn.Linear(4, 8, bias=False)).eval()
    run.batch = (torch.ones(40, 1) @ torch.tensor([[1.0, 2.0, 3.0, 4.0]]), run.batch[1])
    # All inputs are alike: the gradient has rank 1.
    close(run.see("gradient_energy_core"), mean=1.0, smallest=1.0)
    torch.manual_seed(1)
    run.batch = (torch.randn(40, 4), run.batch[1])
    gradient = example_gradients(run).mean(0).view(8, 4)
    values = torch.linalg.svdvals(gradient)
    close(run.see("gradient_energy_core"), mean=float(values[0] / values.norm()))


def test_spikes():
    run = linear([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    with pytest.raises(NotApplicable, match="first"):
        run.see("gradient_spike_score")
    run.change(w=[1.0, 0.0])  # the first entry's gradient becomes 0, the second's stays
    close(run.see("gradient_spike_score"), largest=1.0, spikes=0.0)
    run.change(w=[-9.0, 0.0])  # and now 10 times what it was at first
    close(run.see("gradient_spike_score"), largest=10 / (11 / 3), spikes=0.0)


def test_forgetting_and_flips():
    model = nn.Sequential(nn.Linear(1, 2))
    inputs = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    run = Run(model, (inputs, torch.tensor([1, 0, 0, 1])), classes=2)

    def predict(sign: float) -> None:
        run.change(**{"0__weight": [[0.0], [sign]], "0__bias": [0.0, 0.0]})

    predict(1.0)  # right: the first and the third example
    close(run.see("forgetting_events"), events=0.0, unforgettable=0.5)
    with pytest.raises(NotApplicable):
        run.see("negative_flip_rate")
    predict(-1.0)  # now the two others
    close(run.see("forgetting_events"), events=0.5, unforgettable=0.5)
    assert run.see("negative_flip_rate") == 0.5
    predict(1.0)
    close(run.see("forgetting_events"), events=1.0, unforgettable=0.0)
    assert run.see("negative_flip_rate") == 0.5
    run._how["stream"] = True
    with pytest.raises(NotApplicable, match="do not come again"):
        run.see("negative_flip_rate")


def test_one_update_that_helps_some_and_hurts_others():
    run = linear([[1.0]] * 19 + [[-1.0]], [1.0] * 20)
    run.change(w=[0.5])
    found = run.see("opposing_signals", before={"w": torch.tensor([0.0])})
    # Losses go from 1 to 0.25 for nineteen, and from 1 to 2.25 for the last one.
    close(found, rise=1.25, fall=-0.75, change=(1.25 - 19 * 0.75) / 20)
    close(found, extremes=(1.25 + 0.75) / (1.25 + 19 * 0.75))
    with pytest.raises(NotApplicable, match="no update"):
        run.see("opposing_signals")


def test_the_gap_of_an_update():
    run = perceptron()
    gradients = example_gradients(run)[:32].double()
    variance = float(gradients.var(0).sum())
    found = run.see("sgd_implicit_gen", lr=0.2)
    close(found, variance=variance, gap=0.2 * variance / 40, correlation=None)
    close(run.see("sgd_implicit_gen"), gap=None, correlation=1.0)
    close(same().see("sgd_implicit_gen", lr=0.1), variance=0.0, gap=0.0)


def test_the_gap_is_what_a_step_adds():
    """Of fresh samples of a quadratic: training loss falls by more than test loss, by the formula.

    Both to first order: lr |g|^2 against lr g_train g_test, whose difference has this mean.
    """
    torch.manual_seed(0)
    gaps, formula = [], []
    for _ in range(400):
        x = torch.randn(2, 16, 2)
        y = torch.randn(2, 16)
        train, test = (-2 * (x * y[..., None])).mean(1)
        gaps.append(float(train @ (train - test)))
        run = Run(Linear([0.0, 0.0]), (x[0], y[0]), criterion=nn.functional.mse_loss)
        if len(formula) < 40:
            formula.append(run.see("sgd_implicit_gen", lr=1.0)["gap"])
    mean = sum(gaps) / len(gaps)
    assert sum(formula) / len(formula) == pytest.approx(mean, rel=0.25)


def test_plasticity_that_is_lost():
    run = perceptron(width=40)
    run.model[1] = nn.ReLU()
    close(run.see("plasticity_probe"), ratio=1.0)
    weights = weights_of(run.model)
    run.change(**{"0__bias": torch.full((40,), -1000.0)})  # every unit is dead
    found = run.see("plasticity_probe")
    assert found["ratio"] > 1.05
    # What is left to learn with is the bias: the entropy of the labels, at best.
    assert 0.9 < found["loss"] < 1.2
    run.change(**{name.replace(".", "__"): t for name, t in weights.items()})
    close(run.see("plasticity_probe"), ratio=1.0)
    with pytest.raises(NotApplicable):
        axes().see("plasticity_probe")
