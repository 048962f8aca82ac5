"""Muon: orthogonal steps for its own parameters, AdamW for the others."""

import pytest
import torch

from suite.components import registry
from suite.components.parameters import describe_parameters, mark_head
from tests.objectives import (
    EXAMPLES,
    make_objective,
    snapshot,
)


def muon(model, lr=0.1, adamw_lr=0.01, weight_decay=0.0):
    describe_parameters(model)
    return registry.get("optimizer", "muon").build(
        list(model.parameters()), lr=lr, adamw_lr=adamw_lr, weight_decay=weight_decay
    )


def network():
    """Every role at least once, with random gradients."""
    torch.manual_seed(0)
    model = torch.nn.ModuleDict(
        {
            "tokens": torch.nn.Embedding(20, 16),
            "filters": torch.nn.Conv2d(8, 24, 3),
            "norm": torch.nn.LayerNorm(16),
            "wide": torch.nn.Linear(32, 16),
            "tall": torch.nn.Linear(16, 64),
            "head": mark_head(torch.nn.Linear(16, 10)),
        }
    )
    for p in model.parameters():
        p.grad = torch.randn_like(p)
    return model


def test_muon_orthogonalizes_hidden_matrices_and_filters():
    """Jordan et al. 2024: singular values of a step are near lr sqrt(max(1, rows / columns))."""
    model, lr = network(), 0.1
    optimizer = muon(model, lr=lr)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer.step()
    for name in ("filters.weight", "wide.weight", "tall.weight"):
        p = model.get_parameter(name)
        assert p.shape == before[name].shape == p.grad.shape
        step = (before[name] - p.detach()).flatten(1) / lr
        rows, columns = step.shape
        scale = max(1.0, rows / columns) ** 0.5
        left, values, right = torch.linalg.svd(p.grad.flatten(1), full_matrices=False)
        gains = torch.linalg.svdvals(step) / scale
        assert float(gains.min()) > 0.6
        assert float(gains.max()) < 1.3
        # ... and it keeps the gradient's singular vectors.
        along = (left.T @ step @ right.T).diagonal() / scale
        torch.testing.assert_close(along.sort().values, gains.sort().values, rtol=0.05, atol=0.05)
        assert float(values.max() / values.min()) > 1.5


def test_muon_leaves_the_rest_to_adamw():
    model, adamw_lr = network(), 0.01
    optimizer = muon(model, adamw_lr=adamw_lr)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer.step()
    for name, p in model.named_parameters():
        if p.role in ("embedding", "head", "norm", "bias"):
            # AdamW's first step is the sign of the gradient.
            torch.testing.assert_close(
                before[name] - p.detach(), adamw_lr * p.grad.sign(), rtol=1e-4, atol=1e-6
            )
    kinds = {name: "momentum_buffer" in optimizer.state[p] for name, p in model.named_parameters()}
    assert {name for name, by_muon in kinds.items() if by_muon} == {
        "filters.weight",
        "wide.weight",
        "tall.weight",
    }


def test_muon_decays_everything_by_its_own_rate():
    model = network()
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    muon(model, lr=0.1, adamw_lr=0.01, weight_decay=0.5).step()
    for name, p in model.named_parameters():
        rate = 0.1 if p.role in ("hidden", "conv") else 0.01
        torch.testing.assert_close(p.detach(), before[name] * (1 - 0.5 * rate))


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        (torch.nn.Linear(4, 4, bias=False), 1),
        (torch.nn.Embedding(4, 4), 1),
        (torch.nn.Linear(4, 4), 2),
    ],
    ids=["only_hidden", "nothing_hidden", "both"],
)
def test_muon_without_one_of_its_parts(model, parts):
    optimizer = muon(model)
    assert len(optimizer.optimizers) == parts
    before = snapshot(model)
    for p in model.parameters():
        p.grad = torch.randn_like(p)
    optimizer.step()
    assert not any(torch.equal(p, w) for p, w in zip(model.parameters(), before, strict=True))


def test_muon_trains_a_convolution_over_many_steps():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16, 3)
    )
    batch = torch.randn(EXAMPLES, 1, 4, 4), torch.arange(EXAMPLES) % 3
    optimizer, objective = muon(model, lr=0.02), make_objective(model, batch)
    before = float(objective.loss())
    for _ in range(60):
        optimizer.step(objective)
    assert float(objective.loss()) < before / 2
