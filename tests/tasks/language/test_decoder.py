"""The decoder: causal, aware of distances, differentiable twice, open to regularizers' hooks."""

from __future__ import annotations

import math
import sys

import pytest
import torch

from suite.components import registry
from suite.components.method import build
from suite.components.parameters import describe_parameters
from suite.components.regularizer import TaskInfo
from suite.training.batch_source import BatchSource
from suite.training.meter import Ledger
from suite.training.objective import Objective

registry.load_all("task")
decoder = sys.modules["suite_tasks.language.decoder"]
text = sys.modules["suite_tasks.language.text"]

PLAIN = {"vocabulary": 11, "length": 8, "width": 16, "heads": 2, "layers": 2}
VARIANTS = {
    "gelu": {},
    "relu_squared": {"activation": "relu_squared", "qk_norm": True, "tied": True},
    "swiglu": {"activation": "swiglu"},
}

each_variant = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)


def make(**options):
    torch.manual_seed(0)
    return decoder.Decoder(decoder.Shape(**{**PLAIN, **options}))


def tokens(*size):
    return torch.randint(11, size, generator=torch.Generator().manual_seed(1))


def cross_entropy(outputs, targets):
    """As the tasks' criterion, in the precision of the outputs."""
    return torch.nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())


def objective(model):
    sequences = tokens(6, 9)
    batches = iter([(sequences[:, :-1], sequences[:, 1:])] * 50)
    ledger = Ledger(1e9)
    made = Objective(model, cross_entropy, BatchSource(batches, ledger).key, ledger)
    made.next_batch()
    return made


@each_variant
def test_no_score_depends_on_later_tokens(options):
    model = make(**options)
    before = tokens(3, 8)
    changed = before.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 11
    first, second = model(before), model(changed)
    assert torch.allclose(first[:, :5], second[:, :5], atol=1e-6)
    assert (first[:, 5:] - second[:, 5:]).abs().amax(-1).min() > 1e-4


def test_the_first_loss_is_about_that_of_chance():
    loss = text.next_token_loss(make()(tokens(64, 8)), tokens(64, 8))
    assert loss.item() == pytest.approx(math.log(11), abs=0.3)


def test_rotary_scores_depend_only_on_the_distance():
    attention = decoder.Attention(decoder.Shape(**PLAIN))
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    queries = attention._turn(query.expand(8, 8))
    keys = attention._turn(key.expand(8, 8))
    products = queries @ keys.T
    for distance in range(-7, 8):
        along = products.diagonal(distance)
        assert torch.allclose(along, along[:1].expand_as(along), atol=1e-5)
    assert torch.allclose(queries[0], query)
    assert torch.allclose(queries.norm(dim=-1), query.norm().expand(8), rtol=1e-5)
    # position 3 turns the first pair of entries by 3 radians
    expected = query[0] * math.cos(3) - query[4] * math.sin(3)
    assert float(queries[3, 0]) == pytest.approx(float(expected), abs=1e-5)


def test_normalized_queries_and_keys_do_not_grow_with_their_weights():
    normalized, plain = make(qk_norm=True), make()
    for model in (normalized, plain):
        sequence = tokens(2, 8)
        before = model(sequence)
        with torch.no_grad():
            for block in model.blocks:
                block.attention.queries_keys_values.weight[: 2 * 16] *= 3
        same = torch.allclose(before, model(sequence), atol=1e-4)
        assert same is (model is normalized)


def test_parameters_are_counted_by_hand_and_know_their_roles():
    model = make(activation="relu_squared", tied=True)
    width = 16
    block = 3 * width**2 + width**2 + 2 * 4 * width**2 + 2 * width
    assert sum(p.numel() for p in model.parameters()) == 11 * width + 2 * block + 2 * width
    assert not [name for name, _ in model.named_parameters() if "bias" in name]
    describe_parameters(model)
    assert {p.role for p in model.parameters()} == {"embedding", "hidden", "norm"}
    untied = make()
    describe_parameters(untied)
    assert untied.head.weight.role == "head"
    swiglu, gelu = make(activation="swiglu"), make()
    more = sum(p.numel() for p in swiglu.parameters()) / sum(p.numel() for p in gelu.parameters())
    assert more == pytest.approx(1, abs=0.03)


@each_variant
def test_directional_derivatives_are_those_of_differences(options):
    model = make(**options).double()
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.double())
    made = objective(model)
    torch.manual_seed(3)
    direction = [torch.randn_like(p) for p in made.parameters]
    _, slope = made.jvp(direction)
    curvature = made.hvp(direction)
    made()
    gradient = [p.grad.clone() for p in made.parameters]
    dot = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    assert float(slope) == pytest.approx(float(dot), rel=1e-4)
    step = 1e-7  # embeddings are small and normalized: the loss bends within hundredths
    with torch.no_grad():
        for p, d in zip(made.parameters, direction, strict=True):
            p += step * d
    made()
    for p, before, expected in zip(made.parameters, gradient, curvature, strict=True):
        assert torch.allclose((p.grad - before) / step, expected, rtol=1e-2, atol=1e-3)


@each_variant
def test_redo_and_dropout_find_the_activations(options):
    for kind in ("optimizer", "regularizer"):
        registry.load_all(kind)
    model = make(**options)
    with torch.no_grad():
        for block in model.blocks:  # one dead unit each
            block.feed_forward.expand.weight[0] = 0.0
    components = (("optimizer", "adamw"), ("regularizer", "redo"), ("regularizer", "early_dropout"))
    hyperparameters = {
        "adamw": {"lr": 0.0, "weight_decay": 0.0},
        "redo": {"tau": 0.025, "period": 3},
        "early_dropout": {"rate": 0.5, "until": 0.5, "shape": "constant"},
    }
    info = TaskInfo(batch_size=6, steps=9, classes=11, generator=torch.Generator().manual_seed(0))
    parts = build(components, hyperparameters, model, info)
    sequence = tokens(2, 8)
    assert not torch.equal(model(sequence), model(sequence)), "dropout draws anew every time"
    made = objective(model)
    for _ in range(6):
        parts.optimizer.step(made)
        with torch.no_grad():
            for regularizer in parts.regularizers:
                if regularizer.overrides("after_step"):
                    regularizer.after_step(model, parts.optimizer)
    for block in model.blocks:
        assert (block.feed_forward.expand.weight[0] != 0).any()
        assert (block.feed_forward.contract.weight[:, 0] == 0).all()


def test_compiled_blocks_compute_the_same_and_call_hooks_that_came_later():
    model = make(layers=1, expansion=1)
    sequence = tokens(2, 8)
    before = model(sequence)
    decoder.compile_blocks(model, backend="eager")
    assert torch.allclose(model(sequence), before, atol=1e-6)
    called = []
    activation = model.blocks[0].feed_forward.activation
    activation.register_forward_hook(lambda *args: called.append(args[0]))
    model(sequence)
    assert called == [activation]


def test_the_loss_is_read_in_full_precision():
    scores = torch.randn(2, 4, 11, generator=torch.Generator().manual_seed(0)).bfloat16()
    targets = tokens(2, 4)
    exact = torch.nn.functional.cross_entropy(scores.double().flatten(0, 1), targets.flatten())
    assert float(text.next_token_loss(scores, targets)) == pytest.approx(float(exact), rel=1e-5)
