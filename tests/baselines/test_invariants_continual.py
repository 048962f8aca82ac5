"""What methods for tasks in a row promise, and what their trajectories do not show."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from baselines.regularizers.dgp import extended
from baselines.regularizers.families.episodic import without_conflict
from baselines.regularizers.families.units import Trace, outgoing
from suite import NotApplicable
from suite.components import registry
from suite.components.parameters import describe_parameters, mark_head
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.golden.references.continual import CHANGES, stream_batch, stream_model
from tests.golden.walk import make_steps, network
from tests.objectives import make_info

SEEDS = st.integers(0, 2**31 - 1)
SGD = {"lr": 0.05, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
ADAMW = {"lr": 1e-2, "weight_decay": 0.0}


def walk(name, steps=25, under="sgd", model=stream_model, batch=stream_batch, tasks=3, **h):
    """The model after a number of steps of a regularizer on the stream, and its parts."""
    values = {under: {**registry.get("optimizer", under).defaults, **(SGD, ADAMW)[under != "sgd"]}}
    names = [("optimizer", under)]
    if name is not None:
        values[name] = {**registry.get("regularizer", name).defaults, **h}
        names.append(("regularizer", name))
    setting = network({}, (under, values[under]), model=model, batch=batch)
    taken, built, optimizer = make_steps(
        setting, names, values, nn.functional.cross_entropy, classes=6, tasks=tasks
    )
    taken.start()
    for t in range(steps):
        if t in CHANGES and tasks is not None:
            taken.change_task(CHANGES[t])
        taken.take((t + 0.5) / 25)
    return built, taken, optimizer


def weights(*arguments, **named):
    return [p.detach().clone() for p in walk(*arguments, **named)[0].parameters()]


def ledger_of(steps):
    return steps._objective._ledger


def assert_equal(found, expected):
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def random_tensors(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).double() for shape in ((3, 4), (5,), ())]


def dot(a, b):
    return sum((x * y).sum() for x, y in zip(a, b, strict=True))


# -- projections on a reference gradient ----------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(SEEDS, SEEDS, st.floats(1e-3, 1e3))
def test_a_projected_gradient_is_the_nearest_that_does_not_conflict(a, b, scale):
    g, r = random_tensors(a), random_tensors(b)
    found = without_conflict(g, r)
    if dot(g, r) >= 0:
        assert_equal(found, g)
        return
    assert abs(dot(found, r)) <= 1e-12 * dot(r, r)
    # The change is along r alone: any other vector of that half space is further away.
    change = [x - y for x, y in zip(found, g, strict=True)]
    assert dot(change, change) * dot(r, r) == pytest.approx(float(dot(g, r) ** 2), rel=1e-9)
    for x, y in zip(without_conflict(g, [scale * t for t in r]), found, strict=True):
        torch.testing.assert_close(x, y)


def test_a_reference_of_zeros_changes_nothing():
    g = random_tensors(0)
    assert_equal(without_conflict(g, [torch.zeros_like(t) for t in g]), g)


def test_er_agem_without_replay_is_agem():
    assert_equal(weights("er_agem", share=1.0, capacity=60), weights("agem", capacity=60))


@pytest.mark.parametrize("name", ["agem", "er_agem", "ewc", "plwf", "dgp"])
def test_the_first_task_is_learned_as_without_it(name):
    assert_equal(weights(name, steps=9), weights(None, steps=9))
    assert not torch.equal(weights(name, steps=12)[0], weights(None, steps=12)[0])


@pytest.mark.parametrize(("name", "capacity"), [("agem", 60), ("er_agem", 50)])
def test_memories_share_their_capacity_and_hold_earlier_tasks_only(name, capacity):
    _, steps, _ = walk(name, capacity=capacity)
    (regularizer,) = steps._parts.regularizers
    assert ledger_of(steps).stored_examples == capacity // 3 * 3
    assert [len(m) for m in regularizer._memories] == [capacity // 3] * 3
    assert set(regularizer._sample[1].tolist()) <= {0, 1, 2, 3}
    # 9 batches alone, 16 with as many examples of the memory
    assert ledger_of(steps).spent == 12 * (9 + 2 * 16)


# -- units ----------------------------------------------------------------------------------------


def test_no_unit_is_replaced_before_its_time():
    assert_equal(weights("cbp", rate=0.5, maturity=25), weights(None))
    assert_equal(weights("cbp", rate=1e-6, maturity=3), weights(None))


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 0.2), st.integers(1, 12))
def test_as_many_units_are_replaced_as_the_rate_says(rate, maturity):
    model, steps, _ = walk("cbp", rate=rate, maturity=maturity)
    (cbp,) = steps._parts.regularizers
    for layer, reader in ((model[0], model[2]), (model[2], model[4])):
        kept, count = cbp._layers[layer], len(layer.weight)
        young = kept.age < 25
        # Every unit is old until it is replaced, and again `maturity` steps after that.
        assert kept.due < 1
        assert int(young.sum()) <= rate * count * (25 - maturity)
        assert bool(young.any()) == (rate * count * (25 - maturity) >= 1)
        just = kept.age == 0
        # What a unit of the next layer reads is drawn anew if it is replaced, too.
        kept_readers = cbp._layers[reader].age > 0 if reader in cbp._layers else slice(None)
        assert (reader.weight[kept_readers][:, just] == 0).all()
        assert (layer.bias[just] == 0).all()


def test_the_moments_of_a_replaced_unit_start_anew():
    model, steps, optimizer = walk("cbp", under="adamw", rate=0.05, maturity=3, steps=6)
    (cbp,) = steps._parts.regularizers
    seen = 0
    for layer, reader in ((model[0], model[2]), (model[2], model[4])):
        just = cbp._layers[layer].age == 0
        seen += int(just.sum())
        for moment in ("exp_avg", "exp_avg_sq"):
            assert (optimizer.state[layer.weight][moment][just] == 0).all()
            assert (optimizer.state[reader.weight][moment][:, just] == 0).all()
            assert (optimizer.state[reader.weight][moment][:, ~just] != 0).any()
            assert (optimizer.state[layer.bias][moment][~just] != 0).any()
    assert seen


def test_outgoing_weights_of_maps_that_are_flattened():
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 2)),
    )
    trace = Trace(model)
    model(torch.randn(6, 2, 6, 6))
    maps, flat, hidden = trace.take()
    torch.testing.assert_close(outgoing(maps), model[2].weight.abs().sum((0, 2, 3)))
    torch.testing.assert_close(outgoing(flat), model[5].weight.abs().view(5, 4, 4).sum((0, 2)))
    torch.testing.assert_close(outgoing(hidden), model[7].weight.abs().sum(0))
    assert trace.take() == []


def test_cbp_needs_units_and_passes_that_it_can_follow():
    with pytest.raises(NotApplicable, match="activation"):
        registry.get("regularizer", "cbp").build(rate=1e-4, maturity=100).attach(
            nn.Sequential(nn.Linear(3, 3)), make_info()
        )
    components = (("optimizer", "eggroll"), ("regularizer", "cbp"))
    values = {name: registry.get(kind, name).defaults for kind, name in components}
    run = run_trial(Trial("digits", components, values, 0, 1, "evaluation", 0.1)).run
    assert run.status == "failed"
    assert "NotApplicable" in (run.reason or "") or "one by one" in (run.reason or "")


# -- gradient projection memory -------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(1, 9), st.floats(0.1, 0.99))
def test_a_basis_is_orthonormal_and_holds_its_share(seed, rank, threshold):
    generator = torch.Generator().manual_seed(seed)
    basis = None
    for _ in range(3):
        left = torch.randn(12, rank, generator=generator, dtype=torch.float64)
        rows = left @ torch.randn(rank, 7, generator=generator, dtype=torch.float64)
        before, basis = basis, extended(basis, rows, threshold)
        eye = torch.eye(basis.shape[1], dtype=torch.float64)
        torch.testing.assert_close(basis.T @ basis, eye, rtol=0, atol=1e-10)
        held = (rows @ basis).square().sum() / rows.square().sum()
        assert held >= threshold - 1e-9
        if before is not None:
            assert torch.equal(basis[:, : before.shape[1]], before)
            one_less = basis[:, : basis.shape[1] - 1]
            grew = basis.shape[1] > before.shape[1]
            assert not grew or (rows @ one_less).square().sum() < threshold * rows.square().sum()


def conv_model():
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, stride=2),
        *(nn.ReLU(), nn.Conv2d(4, 40, 2), nn.ReLU(), nn.Flatten()),
        mark_head(nn.Linear(160, 6)),
    ).double()
    describe_parameters(model)
    return model


def image_batch(step):
    inputs, targets = stream_batch(step)
    generator = torch.Generator().manual_seed(step)
    # Images of few patterns: what a layer sees of them leaves room for others.
    patterns = torch.randn(2, 36, generator=torch.Generator().manual_seed(7)).double()
    shares = torch.randn(len(inputs), 2, generator=generator).double()
    return (shares @ patterns).view(-1, 1, 6, 6)[:2], targets[:2]


def few_batch(step):
    inputs, targets = stream_batch(step)
    return inputs[:2], targets[:2]


def wide_model():
    torch.manual_seed(4)
    layers = nn.Linear(5, 30), nn.ReLU(), nn.Linear(30, 30), nn.ReLU(), mark_head(nn.Linear(30, 6))
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize("under", ["sgd", "adamw"])
@pytest.mark.parametrize(("model", "batch"), [(wide_model, few_batch), (conv_model, image_batch)])
def test_outputs_and_input_gradients_of_an_earlier_task_stay(under, model, batch):
    old = batch(8)  # the last batch of the first task

    def told(steps, **h):
        built, *_ = walk("dgp", under=under, model=model, batch=batch, steps=steps, **h)
        inputs = old[0].clone().requires_grad_()
        outputs = built(inputs)
        nn.functional.cross_entropy(outputs, old[1]).backward()
        return outputs.detach(), inputs.grad, [p.detach().clone() for p in built.parameters()]

    whole = {"outputs": 1.0, "sample_gradients": 1.0}
    outputs, gradients, before = told(9, **whole)
    later, slopes, after = told(25, **whole)
    torch.testing.assert_close(later, outputs, rtol=0, atol=1e-8)
    torch.testing.assert_close(slopes, gradients, rtol=0, atol=1e-8)
    assert any(
        not torch.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(before, after, strict=True)
    )
    # Plain training changes both.
    free, *_ = walk(None, under=under, model=model, batch=batch)
    assert (free(old[0]) - outputs).abs().max() > 1e-3


def test_parameters_outside_of_layers_rest_after_the_first_task():
    def normed():
        torch.manual_seed(2)
        norm = nn.LayerNorm(8)
        layers = nn.Linear(5, 8), norm, nn.ReLU(), mark_head(nn.Linear(8, 6))
        return nn.Sequential(*layers).double()

    first, last = (walk("dgp", model=normed, steps=n)[0][1].weight for n in (9, 25))
    assert torch.equal(first, last)
    assert not torch.equal(walk("dgp", model=normed, steps=8)[0][1].weight, first)


# -- distillation and masks -----------------------------------------------------------------------


def test_a_model_that_is_its_own_teacher_learns_as_without_it():
    for under in ("sgd", "adamw"):
        assert_equal(weights("plwf", steps=10, under=under), weights(None, steps=10, under=under))


def test_plwf_pays_for_its_passes():
    _, steps, _ = walk("plwf")
    # 9 plain steps, 9 with one teacher and 7 with two: forward and backward twice, a third each
    assert ledger_of(steps).spent == pytest.approx(12 * (9 + 9 * (2 + 1 / 3) + 7 * (2 + 2 / 3)))


@settings(max_examples=15, deadline=None)
@given(st.floats(-20, 10, allow_subnormal=False), st.integers(9, 16))
def test_current_examples_leave_the_scores_of_other_classes_alone(mask, steps):
    before = walk("softmax_masking", steps=steps, mask=mask)[0][4]
    after = walk("softmax_masking", steps=steps + 1, mask=mask)[0][4]
    others = [0, 1, 4, 5]  # the second task has 2 and 3
    assert torch.equal(before.weight[others], after.weight[others])
    assert torch.equal(before.bias[others], after.bias[others])
    assert not torch.equal(before.weight[2:4], after.weight[2:4])


@pytest.mark.parametrize("task", ["split_digits_task", "permuted_digits_domains"])
def test_masks_change_nothing_where_a_task_compares_the_right_classes_itself(task):
    def losses(*regularizers):
        components = [("optimizer", "sgd"), *(("regularizer", name) for name in regularizers)]
        values = {name: registry.get(kind, name).defaults for kind, name in components}
        trial = Trial(task, tuple(components), values, 0, 3, "evaluation", 0.2)
        return run_trial(trial).run.curve.train_loss

    assert losses("softmax_masking") == losses()


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("plwf", {}, "when tasks change"),
        ("plwf", {"tasks": 3, "classes": None}, "has none"),
        ("dgp", {}, "when tasks change"),
        ("softmax_masking", {"classes": None}, "classes"),
        ("softmax_masking", {"loss": "mse"}, "cross entropy"),
    ],
)
def test_refusals(name, changes, reason):
    component = registry.get("regularizer", name)
    with pytest.raises(NotApplicable, match=reason):
        component.build(**component.defaults).attach(
            stream_model(), dataclasses.replace(make_info(), **changes)
        )


def test_ewc_of_strength_zero_changes_nothing():
    assert_equal(weights("ewc", strength=0.0), weights(None))


@pytest.mark.parametrize("name", ["agem", "cbp", "dgp", "er_agem", "plwf", "softmax_masking"])
def test_every_hyperparameter_counts(name):
    batch, space = stream_batch, registry.get("regularizer", name).search
    start = {"cbp": {"rate": 0.05, "maturity": 3}, "agem": {"capacity": 9}}.get(name, {})
    if name == "er_agem":
        start = {"capacity": 9}
    other = {
        "capacity": 60,
        "share": 0.1,
        "rate": 0.1,
        "maturity": 9,
        "outputs": 0.6,
        "sample_gradients": 0.9,
        "strength": 20.0,
        "mask": -9.0,
    }
    plain = weights(name, batch=batch, **start)
    for hyperparameter in space:
        changed = weights(name, batch=batch, **{**start, hyperparameter: other[hyperparameter]})
        assert any(not torch.equal(a, b) for a, b in zip(plain, changed, strict=True)), (
            hyperparameter
        )
