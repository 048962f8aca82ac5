"""Diagnostics of features, on features of known rank, sparsity and collapse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from suite.components import registry
from suite.errors import NotApplicable
from tests.probes import Run, close, example_gradients, identity, perceptron

registry.load_all("diagnostic")
LABELS = torch.arange(4).repeat_interleave(10)


def test_dormant_and_dead_units():
    features = torch.zeros(40, 10)
    features[:, :4] = 1.0
    features[:, 4] = 0.03  # the mean over units is (4 + 0.03) / 10
    found = identity(features, LABELS, 4).see("dormant_fraction")
    close(found, dead=5 / 10, dormant=6 / 10)
    close(identity(torch.zeros(40, 10), LABELS, 4).see("dormant_fraction"), dead=1.0, dormant=1.0)
    close(identity(torch.ones(40, 10), LABELS, 4).see("dormant_fraction"), dead=0.0, dormant=0.0)


def test_ranks_of_features():
    torch.manual_seed(0)
    features = torch.randn(40, 3) @ torch.randn(3, 12)
    found = identity(features, LABELS, 4).see("layer_effective_dim")
    close(found, mean=3 / 12, smallest=3 / 12)
    basis = torch.linalg.qr(torch.randn(40, 5))[0]
    close(identity(basis, LABELS, 4).see("layer_effective_dim"), mean=1.0, last_entropy=5.0)
    values = torch.tensor([4.0, 2.0, 1.0, 1.0, 0.0])
    shares = values[:4] / 8
    entropy = float(-(shares * shares.log()).sum())
    found = identity(basis * values, LABELS, 4).see("layer_effective_dim")
    close(found, mean=4 / 5, last_entropy=math.exp(entropy))


def test_cosines_of_features():
    alike = torch.ones(40, 1) @ torch.rand(1, 6)
    close(identity(alike, LABELS, 4).see("feature_diversity"), mean=1.0, last=1.0)
    torch.manual_seed(0)
    features = torch.randn(40, 6)
    found = identity(features, LABELS, 4).see("feature_diversity")
    unit = nn.functional.normalize(features, dim=1)
    pairs = [float(unit[i] @ unit[j]) for i in range(40) for j in range(i)]
    close(found, last=sum(pairs) / len(pairs))


def test_sparsity_counts_units_that_are_alike_once():
    torch.manual_seed(0)
    first, second = torch.zeros(40), torch.zeros(40)
    first[:10], second[20:] = torch.rand(10) + 0.1, torch.rand(20) + 0.1
    features = torch.stack([first, second, 3 * first, torch.zeros(40)], 1)
    # A quarter, a half, a copy that does not count, and nothing: over four units.
    found = identity(features, LABELS, 4).see("feature_sparsity")
    assert found == pytest.approx((0.25 + 0.5) / 4)


def test_a_constructed_collapse():
    means = 3.0 * (torch.eye(4) - 0.25)
    run = identity(means[LABELS], LABELS, 4)
    run.change(**{"1__weight": 0.7 * means, "1__bias": torch.zeros(4)})
    close(run.see("neural_collapse"), nc1=0.0, nc2=0.0, nc3=0.0)


def test_collapse_in_numbers():
    """NC1 by its definition; means that are not a simplex; a classifier that is not aligned."""
    torch.manual_seed(0)
    features = torch.randn(4, 5)[LABELS] + 0.3 * torch.randn(40, 5)
    run = identity(features, LABELS, 4)
    groups = [features[label == LABELS].double() for label in range(4)]
    means = torch.stack([group.mean(0) for group in groups])
    within = sum((g - g.mean(0)).T @ (g - g.mean(0)) / 10 for g in groups) / 4
    centered = means - means.mean(0)
    nc1 = float((within @ torch.linalg.pinv(centered.T @ centered / 4)).trace()) / 4
    found = run.see("neural_collapse")
    close(found, nc1=nc1)
    assert found["nc2"] > 0.1
    assert found["nc3"] > 0.1
    gram = centered @ centered.T
    simplex = (torch.eye(4).double() - 0.25) / math.sqrt(3)
    close(found, nc2=float((gram / gram.norm() - simplex).norm()))


def test_alignment_of_gradients_with_a_classifier():
    run = perceptron(seed=2)
    found = run.see("gwa")
    rows, weight = [], run.model[2].weight
    for x, y in zip(*run.batch, strict=True):
        run.model.zero_grad()
        nn.functional.cross_entropy(run.model(x[None]), y[None]).backward()
        rows.append(nn.functional.cosine_similarity(-weight.grad.flatten(), weight.flatten(), 0))
    cosines = torch.stack(rows).detach().double()
    spread = cosines - cosines.mean()
    excess = spread.pow(4).mean() / spread.square().mean() ** 2 - 3
    close(found, mean=float(cosines.mean()), corrected=float(cosines.mean() / (excess + 1.2)))


def test_units_that_change_sign_nearby():
    """A unit with its hyperplane through every example is crossed, one far away is not."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    run = Run(model, (torch.eye(3).repeat(6, 1), torch.zeros(18, dtype=torch.long)), classes=2)
    weight = torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    run.change(**{"0__weight": weight, "0__bias": [-1.0, -2.0, 50.0, 1.0]})
    assert run.see("local_complexity") == 2.0


def test_the_kernel_of_a_linear_network():
    """Its tangents are the inputs: the kernel is their Gram matrix, and never moves."""
    torch.manual_seed(0)
    run = perceptron()
    run.model = nn.Sequential(nn.Linear(4, 1, bias=False)).eval()
    run._how.update(criterion=nn.functional.mse_loss, classes=None)
    run.batch = (run.batch[0], torch.zeros(40, 1))
    first = run.see("ntk_drift")
    gram = (run.batch[0][:16] @ run.batch[0][:16].T).double()
    values = torch.linalg.svdvals(gram)
    rank = math.exp(float(torch.special.entr(values / values.sum()).sum()))
    close(first, change=0.0, distance=0.0, rank=rank, labels=None)
    run.change(**{"0__weight": [[5.0, -3.0, 2.0, 1.0]]})
    close(run.see("ntk_drift"), change=0.0, distance=0.0)


def test_the_kernel_is_that_of_the_whole_jacobian():
    run = perceptron()
    run.model[2] = nn.Linear(6, 1)
    run._how.update(criterion=lambda outputs, targets: outputs.sum(), classes=None)
    jacobian = example_gradients(run)[:16].double()
    run._how.update(criterion=nn.functional.mse_loss)
    run.batch = (run.batch[0], torch.zeros(40, 1))
    run.see("ntk_drift")
    before = jacobian @ jacobian.T
    run.change(**{"0__weight": 3 * run.model[0].weight})
    run._how.update(criterion=lambda outputs, targets: outputs.sum())
    jacobian = example_gradients(run)[:16].double()
    after = jacobian @ jacobian.T
    run._how.update(criterion=nn.functional.mse_loss)
    change = (after - before).norm() / before.norm()
    cosine = (after * before).sum() / (after.norm() * before.norm())
    close(run.see("ntk_drift"), change=float(change), distance=1 - float(cosine))


def test_a_lazy_and_a_rich_network():
    run = perceptron()
    close(run.see("rich_lazy_metrics"), weights=0.0, representation=1.0, kernel=1.0)
    run.change(**{"2__bias": run.model[2].bias + 3})  # neither features nor tangents change
    found = run.see("rich_lazy_metrics")
    assert found["weights"] > 0.5
    close(found, representation=1.0, kernel=1.0)
    torch.manual_seed(5)
    run.change(**{"0__weight": torch.randn(6, 4)})
    found = run.see("rich_lazy_metrics")
    assert found["representation"] < 0.9
    assert found["kernel"] < 0.95
    with torch.no_grad():
        hidden = [run.model[1](run.model[0](run.batch[0]))]
        run.change(**{key.replace(".", "__"): t for key, t in run.earlier[0].weights.items()})
        hidden.append(run.model[1](run.model[0](run.batch[0])))
    grams = [(h @ h.T).flatten() for h in hidden]
    expected = nn.functional.cosine_similarity(*grams, dim=0)
    close(found, representation=float(expected))


def test_a_network_without_a_second_layer_has_no_features():
    run = perceptron()
    run.model = nn.Sequential(nn.Linear(4, 3)).eval()
    for name in ("dormant_fraction", "layer_effective_dim", "feature_diversity", "gwa"):
        with pytest.raises(NotApplicable, match="no second layer"):
            run.see(name)
