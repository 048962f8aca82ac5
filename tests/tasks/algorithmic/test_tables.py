"""Tables of operations and groups, the networks that learn them, and what their nodes found."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from suite.components import registry
from suite.training.loop import run_trial
from suite.training.trial import Trial

registry.load_all("task")

TABLES = [
    "modular_subtraction",
    "modular_multiplication",
    "modular_division",
    "dihedral_composition",
    "modular_addition_quadratic",
    "product_group_quadratic",
    "modular_division_transformer",
    "modular_quadratic_form",
    "modular_multiplication_transformer",
    "s5_composition",
    "modular_addition_transformer",
    "modular_addition_features",
]


def problem(name):
    return registry.get("task", name).problem


def load(name, seed=0):
    return problem(name).data(Path("unused"), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", TABLES)
def test_the_splits_make_up_the_table(name):
    table = problem(name).table()
    data = load(name)
    seen = torch.full_like(table, -1)
    for split in (data.train, data.validation, data.test):
        at = split.inputs[:, 0], split.inputs[:, 1]
        assert (seen[at] == -1).all(), "no cell is in two splits"
        seen[at] = split.targets
    assert torch.equal(seen, table)
    assert abs(len(data.validation) - len(data.test)) <= 1
    task = registry.get("task", name)
    if problem(name).full_batch:
        assert task.batch_size == len(data.train)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("modular_subtraction", lambda a, b, p: (a - b) % p),
        ("modular_multiplication", lambda a, b, p: a * b % p),
        ("modular_division", lambda a, b, p: a * pow(b, -1, p) % p if b else -1),
        ("modular_quadratic_form", lambda a, b, p: (a * a + a * b + b * b) % p),
        ("modular_multiplication_transformer", lambda a, b, p: a * b % p if b else -1),
    ],
)
def test_operations(name, rule):
    p = problem(name).modulus
    expected = [[rule(a, b, p) for b in range(p)] for a in range(p)]
    assert problem(name).table().tolist() == expected


@pytest.mark.parametrize(
    ("name", "order", "commutes"),
    [
        ("dihedral_composition", 38, False),
        ("modular_addition_quadratic", 37, True),
        ("product_group_quadratic", 42, False),
        ("s5_composition", 120, False),
    ],
)
def test_groups(name, order, commutes):
    table = problem(name).table()
    numbers = torch.arange(order)
    assert table.shape == (order, order)
    for line in (*table, *table.T):
        assert torch.equal(line.sort().values, numbers), "every row and column is a permutation"
    a, b, c = torch.randint(order, (3, 500), generator=torch.Generator().manual_seed(0))
    assert torch.equal(table[table[a, b], c], table[a, table[b, c]])
    assert torch.equal(table, table.T) == commutes


def test_permutations_are_composed_right_to_left():
    """Of three letters 0 is the identity, 1 swaps the last two and 2 the first two."""
    table = problem("product_group_quadratic").table()[::7, ::7] // 7
    assert table[1, 2] == 4  # i -> a(b(i)): 0 -> 1 -> 2, 1 -> 0 -> 0, 2 -> 2 -> 1: (2, 0, 1)
    assert table[0].tolist() == list(range(6))


def test_grokfast_network_has_its_size():
    """422,784 parameters there; here without a position that is never read and two outputs."""
    model = problem("modular_multiplication_transformer").model()
    assert sum(p.numel() for p in model.parameters()) == 422_784 - 128 - 2 * 128


def test_transformers_read_their_operands_in_order():
    for name in ("s5_composition", "modular_addition_transformer"):
        model = problem(name).model()
        there, back = model(torch.tensor([[3, 7], [7, 3]]))
        assert not torch.allclose(there, back)


@pytest.mark.parametrize("name", ["s5_composition", "modular_addition_transformer"])
def test_first_and_second_derivatives(name):
    """Forward-mode and second derivatives through attention agree with differences of gradients."""
    from suite.training.batch_source import BatchSource
    from suite.training.meter import Ledger
    from suite.training.objective import Objective

    torch.manual_seed(0)
    data = load(name)
    model = problem(name).model().double()
    batch = (data.train.inputs[:16], data.train.targets[:16])
    ledger = Ledger(1e9)
    source = BatchSource(iter([batch]), ledger)
    objective = Objective(model, nn.functional.cross_entropy, source.key, ledger)
    objective.next_batch()
    direction = [torch.randn_like(p) for p in objective.parameters]
    _, slope = objective.jvp(direction)
    product = objective.hvp(direction)
    gradients = []
    for sign in (1, -2):
        with torch.no_grad():
            for p, d in zip(objective.parameters, direction, strict=True):
                p.add_(d, alpha=sign * 1e-5)
        objective()
        gradients.append([p.grad.clone() for p in objective.parameters])
    middle = [(a + b) / 2 for a, b in zip(*gradients, strict=True)]
    expected = sum((g * d).sum() for g, d in zip(middle, direction, strict=True))
    assert slope.item() == pytest.approx(expected.item(), rel=1e-4)
    for found, plus, minus in zip(product, *gradients, strict=True):
        assert torch.allclose(found, (plus - minus) / 2e-5, rtol=1e-3, atol=1e-5)


def test_centered_error_by_hand():
    criterion = problem("modular_addition_quadratic").criterion
    outputs = torch.tensor([[5.0, 5.0], [1.0, 0.0]])
    # the first example: (0, 0) against (1/2, -1/2); the second: (1/2, -1/2) against the same
    assert criterion(outputs, torch.tensor([0, 0])).item() == pytest.approx((0.5 + 0.0) / 2)


class Nodes(nn.Module):
    """First-layer weights as given, and nothing behind them."""

    def __init__(self, left):
        super().__init__()
        self.hidden = nn.Linear(2 * left.shape[1], len(left), bias=False)
        self.hidden.weight.data = torch.cat((left, torch.zeros_like(left)), 1)
        self.requires_grad_(False)
        self.classes = left.shape[1]

    def forward(self, pairs):
        return torch.zeros(len(pairs), self.classes)


def features(name, left):
    metrics = problem(name).evaluate(Nodes(left), load(name).validation)
    return metrics["feature_purity"], metrics["feature_diversity"]


def test_features_of_pure_waves():
    angle = 2 * torch.pi * torch.arange(37) / 37
    wave = torch.cos(3 * angle + 0.7)
    name = "modular_addition_quadratic"
    # 18 frequencies: one of them, in every phase; a constant on top is none
    assert features(name, wave.expand(4, -1) + 5) == pytest.approx((1, 1 / 18), abs=1e-4)
    other = torch.cos(5 * angle)
    assert features(name, torch.stack((wave, other))) == pytest.approx((1, 2 / 18), abs=1e-4)
    assert features(name, (wave + other).unsqueeze(0)) == pytest.approx((0.5, 2 / 18), abs=1e-4)


def test_features_of_a_group_that_does_not_commute():
    """S3 x Z7 has 3 x 7 complex irreducible representations, 3 x 4 over the real numbers."""
    name = "product_group_quadratic"
    sign = torch.tensor([1.0, -1, -1, 1, 1, -1]).repeat_interleave(7)
    purity, diversity = features(name, sign.unsqueeze(0))
    assert purity == pytest.approx(1, abs=1e-4)
    assert diversity == pytest.approx(1 / 11, abs=1e-4)


def test_squares_grok_with_weight_decay():
    """A settled run: training cells first, the others later, nodes of one frequency at the end."""
    hyperparameters = {"adamw": {"lr": 0.02, "weight_decay": 0.5}}
    trial = Trial(
        "modular_addition_quadratic", (("optimizer", "adamw"),), hyperparameters, 0, 0, "tuning"
    )
    run = run_trial(trial).run
    assert run.status == "completed", run.traceback
    curve = run.curve.validation
    assert curve["accuracy"][4] < 0.5 < 0.99 <= curve["accuracy"][-1]
    assert curve["feature_purity"][-1] > curve["feature_purity"][0] + 0.1
