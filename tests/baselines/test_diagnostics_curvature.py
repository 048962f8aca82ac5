"""Diagnostics of curvature, on quadratics with known spectra and against whole Hessians."""

from __future__ import annotations

import math

import pytest
import torch

from suite.components import registry
from tests.probes import close, example_gradients, full_hessian, perceptron, quadratic

registry.load_all("diagnostic")
EIGENVALUES = [8.0, 5.0, 3.0, 0.01, 0.01, 0.01]
WEIGHT = [1.0, 2.0, -1.0, 3.0, 0.5, 1.0]


def test_sharpness_of_a_quadratic():
    run = quadratic(EIGENVALUES, WEIGHT)
    close(run.see("hessian_sharpness"), eigenvalue=8.0, times_lr=None, preconditioned=None)
    close(run.see("hessian_sharpness", lr=0.1), eigenvalue=8.0, times_lr=0.8)


def test_sharpness_preconditioned_by_adam():
    run = quadratic(EIGENVALUES, WEIGHT)
    second = torch.tensor([4.0, 0.25, 1.0, 1.0, 1.0, 1.0]).square()
    settings = {"betas_0": 0.9, "betas_1": 0.999, "eps": 0.0}
    state = {"w": {"exp_avg_sq": second * (1 - 0.999**3), "step": torch.tensor(3.0)}}
    found = run.see("hessian_sharpness", lr=0.1, settings=settings, state=state)
    # The largest of e_i / P_i with P_i = (1 - 0.9^3) v_i: of the second.
    expected = 5.0 / 0.25 / (1 - 0.9**3)
    close(found, preconditioned=expected, preconditioned_times_lr=0.1 * expected)


def test_sharpness_is_that_of_the_whole_hessian():
    run = perceptron()
    values = torch.linalg.eigvalsh(full_hessian(run))
    close(run.see("hessian_sharpness"), eigenvalue=float(values[-1]))


def test_trace_of_a_quadratic_is_exact_and_of_a_network_within_its_error():
    run = quadratic(EIGENVALUES, WEIGHT)  # of a diagonal matrix, random signs make no error
    found = run.see("hessian_trace_stability", lr=0.2)
    close(found, trace=sum(EIGENVALUES), error=0.0, times_half_lr=0.1 * sum(EIGENVALUES))
    run = perceptron()
    found = run.see("hessian_trace_stability")
    exact = float(full_hessian(run).trace())
    assert abs(found["trace"] - exact) < 4 * found["error"]
    assert found["error"] < abs(exact)


def test_outliers_and_bulk_of_a_quadratic():
    found = quadratic([9.0, 8.0, 7.0, *[0.01] * 57], [1.0] * 60).see("hessian_bulk_outliers")
    close(found, outliers=3.0, negative=0.0)
    assert found["bulk"] == pytest.approx(57 / 60, abs=0.03)


def test_a_negative_part_of_the_spectrum_is_seen():
    run = perceptron(seed=3)
    values = torch.linalg.eigvalsh(full_hessian(run))
    limit = 0.05 * values[-1]
    found = run.see("hessian_bulk_outliers")
    assert 1 <= found["outliers"] <= int((values > limit).sum())
    assert found["negative"] == pytest.approx(float((values < -limit).double().mean()), abs=0.15)
    assert found["bulk"] == pytest.approx(float((values.abs() <= limit).double().mean()), abs=0.2)


def test_the_tiny_subspace_of_a_quadratic():
    run = quadratic(EIGENVALUES, [2.0, 0, 0, 0, 0, 0])  # the gradient is an eigenvector
    run._how["classes"] = 3
    close(run.see("tiny_subspace"), gradient=1.0, overlap=None)
    run.change(w=[0, 0, 0, 5.0, 0, 0])  # and now one outside of the top three
    close(run.see("tiny_subspace"), gradient=0.0, overlap=1.0)
    run.change(w=[1.0, 0, 0, 800.0, 0, 0])
    close(run.see("tiny_subspace"), gradient=0.5)


def test_the_tiny_subspace_is_that_of_the_whole_hessian():
    run = perceptron()
    _, vectors = torch.linalg.eigh(full_hessian(run))
    gradient = example_gradients(run).mean(0)
    share = (vectors[:, -3:].T @ gradient).square().sum() / gradient.square().sum()
    close(run.see("tiny_subspace"), gradient=float(share))


def test_alignment_with_outliers():
    run = quadratic(EIGENVALUES, [3.0, 0, 0, 4.0, 0, 0])
    before = {"w": torch.tensor([3.0, 0, 0, 4.5, 0, 0])}
    found = run.see("outlier_alignment", before=before)
    close(found, weights_in_hessian=9 / 25, update_in_hessian=0.0)
    # Single gradients are along axes 0 and 3, the larger one along 0.
    close(found, weights_in_gradients=9 / 25, update_in_gradients=0.0)
    run = perceptron()
    gradients = example_gradients(run)[:32]
    values = torch.linalg.eigvalsh(gradients @ gradients.T).clamp_min(0)
    shares = values / values.sum()
    close(run.see("outlier_alignment"), rank=math.exp(torch.special.entr(shares).sum()))


def test_the_edge_of_sam():
    run = quadratic(EIGENVALUES, [0.5, 0, 0, 0, 0, 0])
    found = run.see("sam_eos_eigenvalue", lr=0.1)  # the edge of gradient descent is at 0.25
    close(found, of_edge=0.4)
    rho = found["radius"] / 4.0  # the gradient's norm is 8 * 0.5
    assert 0.1 * 8 * (1 + rho * 8) == pytest.approx(2.0)
    close(run.see("sam_eos_eigenvalue", lr=0.3), of_edge=1.2, radius=None)


def test_steps_at_twice_the_edge_of_sam_diverge():
    """The radius that it says is one at which unnormalized SAM neither shrinks nor grows."""
    run = quadratic([8.0, 1.0], [0.5, 0.0])
    rho = run.see("sam_eos_eigenvalue", lr=0.1)["radius"] / 4.0

    def after(steps: int, radius: float) -> float:
        w = 0.5
        for _ in range(steps):
            w -= 0.1 * 8.0 * (w + radius * 8.0 * w)
        return abs(w)

    assert after(50, rho) == pytest.approx(0.5, rel=1e-2)
    assert after(50, 0.9 * rho) < 0.1 < 2.0 < after(50, 1.1 * rho)


def test_the_landscape_of_a_linear_network():
    """Of a loss that is quadratic along every line: the rise is half the curvature."""
    torch.manual_seed(0)
    run = perceptron()
    run.model = torch.nn.Sequential(torch.nn.Linear(4, 3, bias=False)).eval()
    run._how.update(criterion=torch.nn.functional.mse_loss, classes=None)
    run.batch = (run.batch[0], torch.randn(40, 3))
    found = run.see("filter_norm_landscape")
    assert found["rise"] == pytest.approx(found["curvature"] / 2, rel=2e-2)
    # Each filter moves by its own norm: E (x d)^2 / 3 of a random direction of that norm.
    size = run.model[0].weight.detach().norm(dim=1).square().sum() / 4 / 3
    expected = float(run.batch[0].square().sum() / 40 * size)
    assert found["rise"] == pytest.approx(expected, rel=0.6)


def test_the_landscape_does_not_depend_on_scale():
    run, other = perceptron(), perceptron()
    other.model[2] = torch.nn.Linear(6, 3)
    run.model[1] = other.model[1] = torch.nn.ReLU()
    other.change(**{"2__weight": run.model[2].weight / 5, "2__bias": run.model[2].bias})
    other.change(**{"0__weight": 5 * run.model[0].weight, "0__bias": 5 * run.model[0].bias})
    one, two = (each.see("filter_norm_landscape") for each in (run, other))
    assert one["rise"] == pytest.approx(two["rise"], rel=1e-3)


def test_roughness_of_lines():
    run = perceptron()
    run.model = torch.nn.Sequential(torch.nn.Linear(4, 1, bias=False)).eval()
    run.batch = (run.batch[0], torch.zeros(40, 1))
    # A loss that is linear along every line has a variation of 1 on each.
    run._how.update(criterion=lambda outputs, targets: outputs.mean(), classes=None)
    assert run.see("roughness_index") == pytest.approx(0.0, abs=1e-5)
    # A bowl around the weights has 2 on each.
    run._how.update(criterion=torch.nn.functional.mse_loss)
    run.batch = (run.batch[0], run.model(run.batch[0]).detach())
    assert run.see("roughness_index") == pytest.approx(0.0, abs=1e-4)
    # Waves differ from line to line.
    run._how.update(criterion=lambda outputs, targets: (40 * outputs).sin().mean())
    assert run.see("roughness_index") > 0.05
