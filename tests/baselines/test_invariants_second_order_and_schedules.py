"""What the papers of second-order, backprop-free and schedule methods promise."""

from __future__ import annotations

import copy
import inspect
import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from suite import NotApplicable
from suite.components import registry
from suite.components.parameters import describe_parameters, mark_head
from tests.objectives import make_info, make_objective, small_batch, small_model, snapshot

some = settings(max_examples=15, deadline=None)
EDGE = math.nextafter(1.0, 0.0)


def module_of(kind, name):
    return sys.modules[registry.get(kind, name).build.__module__]


def built(name, model, seed=0, **changes):
    """An optimizer with its defaults for a model, as the suite builds it."""
    component = registry.get("optimizer", name)
    describe_parameters(model)
    offered = {"info": make_info(seed=seed), "model": model}
    wanted = inspect.signature(component.build).parameters
    extras = {key: value for key, value in offered.items() if key in wanted}
    own = {k: v for k, v in {**component.defaults, **changes}.items() if k in wanted}
    return component.build(list(model.parameters()), **own, **extras)


class Quadratic(nn.Module):
    """w' H w / 2 + an unused weight times 0; two parameters are w."""

    def __init__(self, hessian, start):
        super().__init__()
        self.first, self.second = nn.Parameter(start[:2].clone()), nn.Parameter(start[2:].clone())
        self.unused = nn.Parameter(torch.ones(3, dtype=start.dtype))
        self.hessian = hessian

    def forward(self, inputs):
        w = torch.cat([self.first, self.second])
        return inputs.sum() * 0 + w @ self.hessian @ w / 2 + self.unused.sum() * 0

    def w(self):
        return torch.cat([self.first, self.second]).detach().clone()


def objective_of(model):
    return make_objective(model, criterion=lambda outputs, targets: outputs)


def vector(low, high):
    numbers = st.floats(low, high).filter(lambda x: abs(x) > 0.05)
    return st.lists(numbers, min_size=4, max_size=4).map(
        lambda values: torch.tensor(values, dtype=torch.float64)
    )


def rotation(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))[0]


# -- curvature ----------------------------------------------------------------------------------


@some
@given(diagonal=vector(-5, 5), seed=st.integers(0, 1000))
def test_random_signs_find_a_diagonal_hessian_exactly(diagonal, seed):
    torch.manual_seed(seed)
    family = sys.modules[module_of("optimizer", "oasis").hessian_diagonal.__module__]
    model = Quadratic(torch.diag(diagonal), torch.ones(4, dtype=torch.float64))
    found = family.hessian_diagonal(objective_of(model))
    torch.testing.assert_close(torch.cat([found[model.first], found[model.second]]), diagonal)
    assert not found[model.unused].any()


def test_normal_probes_find_the_diagonal_in_the_mean():
    torch.manual_seed(0)
    family = sys.modules[module_of("optimizer", "oasis").hessian_diagonal.__module__]
    q = rotation(1)
    model = Quadratic(q @ torch.diag(torch.arange(1.0, 5).double()) @ q.T, torch.ones(4).double())
    objective, draws = objective_of(model), []
    for _ in range(500):
        found = family.hessian_diagonal(objective, family.gaussian)
        draws.append(torch.cat([found[model.first], found[model.second]]))
    draws = torch.stack(draws)
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - model.hessian.diagonal()).abs() < 5 * error).all()


@some
@given(seed=st.integers(0, 1000), lr=st.floats(1e-4, 1.0))
def test_sophia_h_moves_no_weight_further_than_its_rate(seed, lr):
    model = small_model(seed)
    optimizer = built("sophia_h", model, lr=lr, weight_decay=0.0)
    for _ in range(3):
        before = snapshot(model)
        optimizer.step(make_objective(model))
        moved = [(p - b).abs().max() for p, b in zip(model.parameters(), before, strict=True)]
        assert max(moved) <= lr * (1 + 1e-9)


@some
@given(diagonal=vector(-5, 5), start=vector(-2, 2))
def test_sophia_h_is_a_sign_method_where_curvature_is_negative(diagonal, start):
    torch.manual_seed(0)
    model = Quadratic(torch.diag(diagonal), start)
    built("sophia_h", model, lr=0.1, weight_decay=0.0).step(objective_of(model))
    negative = diagonal < 0
    step = model.w() - start
    expected = -0.1 * torch.sign(diagonal * start)
    torch.testing.assert_close(step[negative], expected[negative])


@pytest.mark.parametrize("name", ["sophia_h", "adahessian"])
@some
@given(lr=st.floats(1e-3, 0.3), decay=st.floats(0.0, 2.0), steps=st.integers(1, 4))
def test_decay_shrinks_an_unused_weight_by_its_factor_alone(name, lr, decay, steps):
    model = Quadratic(torch.eye(4).double(), torch.ones(4).double())
    optimizer = built(name, model, lr=lr, weight_decay=decay)
    assert all(group["decoupled_weight_decay"] for group in optimizer.param_groups)
    for _ in range(steps):
        optimizer.step(objective_of(model))
    expected = torch.full((3,), (1 - lr * decay) ** steps, dtype=torch.float64)
    torch.testing.assert_close(model.unused.detach(), expected, rtol=1e-12, atol=0)


def test_adahessian_averages_over_the_kernel_and_nothing_else():
    torch.manual_seed(0)
    layers = nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6, 3)
    model = nn.Sequential(*layers).double()
    optimizer = built("adahessian", model)
    for _ in range(2):
        optimizer.step(make_objective(model))
    filters, matrix = (optimizer.state[layer.weight]["curvature"] for layer in model[1:5:3])
    assert torch.equal(filters, filters[..., :1].expand_as(filters))
    assert filters[0, 0, 0] != filters[1, 0, 0]
    assert len(matrix.unique()) == matrix.numel()


@some
@given(diagonal=vector(0.5, 5), start=vector(-2, 2), scale=vector(0.2, 5))
def test_oasis_does_not_see_the_scale_of_coordinates(diagonal, start, scale):
    """As Newton's method: w = s u gives the same steps, where alpha does not truncate."""
    models = [
        Quadratic(torch.diag(diagonal), start),
        Quadratic(torch.diag(diagonal * scale**2), start / scale),
    ]
    for model in models:
        torch.manual_seed(0)
        optimizer, objective = built("oasis", model, alpha=1e-6), objective_of(model)
        for _ in range(4):
            optimizer.step(objective)
    torch.testing.assert_close(models[0].w(), models[1].w() * scale, rtol=1e-8, atol=1e-10)


@some
@given(seed=st.integers(0, 1000))
def test_oasis_grows_its_step_no_faster_than_the_bound(seed):
    model = small_model(seed)
    optimizer = built("oasis", model, eta=1e-3)
    group = optimizer.param_groups[0]
    optimizer.step(make_objective(model))
    assert group["eta"] == 1e-3
    for _ in range(5):
        eta, theta = group["eta"], group["theta"]
        optimizer.step(make_objective(model))
        assert 0 < group["eta"] <= math.sqrt(1 + theta) * eta
        assert group["theta"] == pytest.approx(group["eta"] / eta)


@some
@given(diagonal=vector(-5, 5), start=vector(-2, 2), seed=st.integers(0, 50))
def test_saddle_free_newton_leaves_saddles_and_seeks_minima(diagonal, start, seed):
    q = rotation(seed)
    model = Quadratic(q @ torch.diag(diagonal) @ q.T, q @ start)
    built("saddle_free_newton", model, dimension=4).step(objective_of(model))
    after = q.T @ model.w()
    up = diagonal < 0
    assert (after[up].abs() >= start[up].abs() - 1e-9).all()
    assert (after[~up].abs() <= start[~up].abs() + 1e-9).all()


@some
@given(diagonal=vector(-5, 5), start=vector(-2, 2), seed=st.integers(0, 50))
def test_saddle_free_newton_turns_with_the_loss(diagonal, start, seed):
    q = rotation(seed)
    straight = Quadratic(torch.diag(diagonal), start)
    turned = Quadratic(q @ torch.diag(diagonal) @ q.T, q @ start)
    for model in (straight, turned):
        built("saddle_free_newton", model, dimension=2).step(objective_of(model))
    torch.testing.assert_close(turned.w(), q @ straight.w(), rtol=1e-6, atol=1e-8)


# -- without a backward pass ----------------------------------------------------------------------


@some
@given(seed=st.integers(0, 1000), lr=st.floats(1e-4, 1.0), queries=st.integers(1, 3))
def test_conservative_steps_never_raise_the_loss(seed, lr, queries):
    model = small_model(seed)
    chosen = {"lr": lr, "queries": queries, "variant": "conserve"}
    optimizer, objective = built("zo_sgd", model, seed, **chosen), make_objective(model)
    for _ in range(4):
        before = float(objective.loss())
        optimizer.step(objective)
        assert float(objective.loss()) <= before + 1e-9


@pytest.mark.parametrize("name", ["zo_sgd", "fixed_point_forward_gradient"])
@some
@given(power=st.integers(-6, 6), seed=st.integers(0, 1000))
def test_methods_of_signs_do_not_see_the_scale_of_the_loss(name, power, seed):
    ends = []
    for scale in (1.0, 2.0**power):
        model = small_model(seed)
        optimizer = built(name, model, seed, lr=0.01, epsilon=0.01, variant="sign")
        objective = make_objective(
            model, criterion=lambda o, t, c=scale: c * nn.functional.cross_entropy(o, t)
        )
        for _ in range(3):
            optimizer.step(objective)
        ends.append(snapshot(model))
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@some
@given(bits=st.sampled_from([8, 16]), lr=st.floats(1e-4, 1.0), seed=st.integers(0, 1000))
def test_fixed_point_weights_are_integers_of_so_many_bits(dtype, bits, lr, seed):
    model = small_model(seed).to(dtype)
    optimizer = built("fixed_point_forward_gradient", model, seed, lr=lr, bits=bits)
    inputs, targets = small_batch()
    for _ in range(3):
        optimizer.step(make_objective(model, (inputs.to(dtype), targets)))
    for p in model.parameters():
        integers = p.detach().double() / optimizer.state[p]["grid"]
        assert (integers - integers.round()).abs().max() < 0.01
        assert integers.abs().max() < 2 ** (bits - 1) - 0.99


@pytest.mark.parametrize("name", ["mezo", "zo_sgd", "forward_gradient", "eggroll"])
def test_weights_that_are_frozen_stay(name):
    model = small_model()
    model[0].bias.requires_grad_(False)
    before = model[0].bias.clone()
    built(name, model, lr=0.1).step(make_objective(model))
    assert torch.equal(model[0].bias, before)


def three_blocks(seed=0):
    torch.manual_seed(seed)
    filters = nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 3), nn.BatchNorm1d(3), nn.ReLU()
    rest = nn.Flatten(), nn.Linear(9, 6), nn.ReLU(), mark_head(nn.Linear(6, 3))
    return nn.Sequential(*filters, *rest).double()


@pytest.mark.parametrize("name", ["mono_forward", "forward_gradient_local"])
def test_blocks_learn_from_their_own_losses(name):
    """The gradient of each block is that of its classifier; the last block's is the task's."""
    model = three_blocks()
    optimizer = built(name, model)
    local = optimizer._local.gradients(make_objective(model), optimizer.state)
    inputs, targets = small_batch()
    classifier = optimizer.state[model[5].weight]["projection"].clone().requires_grad_()
    features = model[:5](inputs)
    loss = nn.functional.cross_entropy(features @ classifier.T, targets)
    first = [*model[1].parameters(), *model[2].parameters()]
    expected = list(torch.autograd.grad(loss, [*first, classifier]))
    torch.testing.assert_close(local.projections[model[5].weight], expected.pop())
    task = nn.functional.cross_entropy(model[5:](features.detach()), targets)
    second = [*model[5].parameters(), *model[7].parameters()]
    expected += torch.autograd.grad(task, second)
    for found, wanted in zip(local.gradients, expected, strict=True):
        torch.testing.assert_close(found, wanted)
    assert local.last == [False] * len(first) + [True] * len(second)
    torch.testing.assert_close(local.loss, task.detach())


def test_no_block_of_mono_forward_sees_later_weights():
    ends = []
    for factor in (1.0, 3.0):
        model = three_blocks()
        with torch.no_grad():
            model[7].weight.mul_(factor)
            model[5].bias.add_(factor)
        optimizer = built("mono_forward", model, lr=0.01)
        for _ in range(3):
            optimizer.step(make_objective(model))
        ends.append(snapshot(model))
    same = [torch.equal(a, b) for a, b in zip(*ends, strict=True)]
    assert same[:4] == [True] * 4
    assert not any(same[4:])


@some
@given(seed=st.integers(0, 1000))
def test_a_local_guess_is_replaced_by_the_gradients_projection_on_it(seed):
    torch.manual_seed(seed)
    layers = nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), mark_head(nn.Linear(4, 3))
    model = nn.Sequential(*layers).double()
    inputs, targets = small_batch(seed)
    loss = nn.functional.cross_entropy(model(inputs), targets)
    true = torch.cat([g.flatten() for g in torch.autograd.grad(loss, model[0].parameters())])
    optimizer = built("forward_gradient_local", model, lr=0.5)
    before = snapshot(model)
    optimizer.step(make_objective(model, (inputs, targets)))
    parts = zip(before[:2], snapshot(model[0]), strict=True)
    estimate = torch.cat([((b - p) / 0.5).flatten() for b, p in parts])
    assert float(estimate @ (true - estimate)) == pytest.approx(0, abs=1e-9)
    assert estimate.norm() <= true.norm() * (1 + 1e-9)


@pytest.mark.parametrize("name", ["mono_forward", "forward_gradient_local"])
def test_local_losses_refuse_what_has_no_classes(name):
    component, model = registry.get("optimizer", name), small_model()
    info = make_info()
    for changed in ({"loss": "mse"}, {"classes": None}):
        other = copy.copy(info)
        for key, value in changed.items():
            object.__setattr__(other, key, value)
        with pytest.raises(NotApplicable, match="classes"):
            component.build(list(model.parameters()), **component.defaults, model=model, info=other)


# -- state --------------------------------------------------------------------------------------

KEPT = [
    "sophia_h",
    "adahessian",
    "oasis",
    "saddle_free_newton",
    "shb_step_decay",
    "mezo",
    "zo_sgd",
    "forward_gradient",
    "forward_gradient_local",
    "fixed_point_forward_gradient",
    "mono_forward",
]


@pytest.mark.parametrize("name", KEPT)
def test_a_loaded_state_goes_on_to_the_same_bits(name):
    component, models, optimizers = registry.get("optimizer", name), [], []
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    for generator in generators:
        models.append(three_blocks())
        describe_parameters(models[-1])
        info = make_info()
        object.__setattr__(info, "generator", generator)
        wanted = inspect.signature(component.build).parameters
        offered = {"info": info, "model": models[-1]}
        extras = {key: value for key, value in offered.items() if key in wanted}
        own = {key: value for key, value in component.defaults.items() if key in wanted}
        parameters = list(models[-1].parameters())
        optimizers.append(component.build(parameters, **own, **extras))
        if len(optimizers) == 1:
            torch.manual_seed(7)
            objective = make_objective(models[0])
            for _ in range(12):
                optimizers[0].step(objective)
    models[1].load_state_dict(models[0].state_dict())
    optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    generators[1].set_state(generators[0].get_state())
    for model, optimizer in zip(models, optimizers, strict=True):
        torch.manual_seed(11)
        objective = make_objective(model)
        for _ in range(3):
            optimizer.step(objective)
    pairs = zip(models[0].parameters(), models[1].parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


class Odd(nn.Module):
    """A number, a vector, a matrix used twice, and a weight that is never used."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.shared = nn.Parameter(torch.randn(5, 5) / 3)
        self.head = mark_head(nn.Linear(5, 3))
        self.never = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return self.head(self.scale * torch.tanh(torch.tanh(x @ self.shared) @ self.shared))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "name", [n for n in KEPT if n not in ("mono_forward", "forward_gradient_local")]
)
def test_odd_parameters_are_served(name, dtype):
    model = Odd().to(dtype)
    # differences of losses of eight bits need long perturbations
    optimizer = built(name, model, epsilon=0.1, lr=0.05)
    inputs, targets = small_batch()
    objective = make_objective(model, (inputs.to(dtype), targets))
    before = snapshot(model)
    for _ in range(3):
        optimizer.step(objective)
    after = snapshot(model)
    assert all(torch.isfinite(p).all() and p.dtype == dtype for p in after)
    names = [key for key, _ in model.named_parameters()]
    pairs = zip(names, after, before, strict=True)
    moved = {key for key, a, b in pairs if not torch.equal(a, b)}
    assert moved - {"never"}
    if name in ("sophia_h", "adahessian", "oasis", "shb_step_decay"):
        assert "never" not in moved


# -- schedules ------------------------------------------------------------------------------------

NEW = [
    "wsd",
    "inverse_sqrt",
    "polynomial",
    "step_decay",
    "lr_warmup",
    "large_step_then_decay",
    "sigmoid_lr",
]


def hyperparameters_of(name):
    def one(distribution):
        if distribution.choices:
            return st.sampled_from(distribution.choices)
        if distribution.kind == "integer":
            return st.integers(distribution.low, distribution.high)
        return st.floats(distribution.low, distribution.high)

    search = registry.get("schedule", name).search
    return st.fixed_dictionaries({key: one(value) for key, value in search.items()})


@pytest.mark.parametrize("name", NEW)
def test_no_step_has_a_rate_of_exactly_0(name):
    factor = registry.get("schedule", name).build

    @some
    @given(hyperparameters_of(name), st.integers(1, 3000))
    def check(h, steps):
        for t in {0, steps // 3, steps // 2, steps - 1}:
            assert 0 < factor((t + 0.5) / steps, **h) <= 1

    check()


@pytest.mark.parametrize("name", NEW)
def test_rates_rise_once_and_fall_once(name):
    factor = registry.get("schedule", name).build

    @some
    @given(hyperparameters_of(name))
    def check(h):
        values = np.array([factor(p, **h) for p in np.linspace(1e-6, EDGE, 300)])
        signs = np.sign(np.diff(values))
        signs = signs[np.abs(np.diff(values)) > 1e-12]
        assert (np.diff(signs) <= 0).all()

    check()


@some
@given(hyperparameters_of("wsd"))
def test_wsd_is_constant_between_warmup_and_cooldown(h):
    wsd = registry.get("schedule", "wsd").build
    for p in np.linspace(h["warmup"], 1 - h["cooldown"], 20):
        assert wsd(p, **h) == pytest.approx(1, abs=1e-12)
    end = {"exponential": 0.1}.get(h["shape"], 0.0)
    assert wsd(EDGE, **h) == pytest.approx(end, abs=1e-6)


@some
@given(st.floats(0.01, 0.2), st.floats(0.2, 0.25))
def test_inverse_sqrt_halves_in_four_times_the_time(warmup, progress):
    factor = registry.get("schedule", "inverse_sqrt").build
    assert factor(4 * progress, warmup) == pytest.approx(factor(progress, warmup) / 2)


@some
@given(st.integers(2, 6), st.floats(2.0, 10.0))
def test_heavy_ball_has_equal_stages(stages, decay):
    (factor,) = registry.get("optimizer", "shb_step_decay").schedules
    values = [factor((t + 0.5) / 600, stages, decay) for t in range(600)]
    distinct, counts = np.unique(values, return_counts=True)
    np.testing.assert_allclose(sorted(distinct), sorted(decay ** -np.arange(stages)))
    assert counts.max() - counts.min() <= 1


@some
@given(st.integers(3, 200), st.floats(1e-3, 1e3), st.sampled_from([1, 2]))
def test_equal_norms_refine_to_a_linear_decay(steps, norm, power):
    refined = module_of("regularizer", "refined_schedule")._refined
    expected = 1 - np.arange(steps) / (steps - 1)
    np.testing.assert_allclose(refined([norm] * steps, power), expected, atol=1e-12)


@some
@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=60), st.floats(1e-3, 1e3))
def test_refinement_does_not_see_the_scale_of_the_loss(norms, scale):
    refined = module_of("regularizer", "refined_schedule")._refined
    scaled = refined([scale * g for g in norms], 2)
    np.testing.assert_allclose(scaled, refined(norms, 2), rtol=1e-9, atol=1e-12)
    assert max(scaled) == pytest.approx(1)


def test_refinement_refuses_a_stream():
    info = make_info()
    object.__setattr__(info, "tasks", 5)
    built = registry.get("regularizer", "refined_schedule").build(norm="l1")
    with pytest.raises(NotApplicable, match="stream"):
        built.attach(small_model(), info)
