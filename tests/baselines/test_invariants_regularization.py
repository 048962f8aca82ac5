"""What the papers promise of penalties, losses, averages, initializations and normalizations."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from suite import NotApplicable
from suite.components import registry
from suite.components.parameters import describe_parameters, mark_head
from tests.golden.walk import info, network, take
from tests.objectives import (
    CLASSES,
    FEATURES,
    gradients_of,
    make_objective,
    small_batch,
    small_model,
    snapshot,
)
from tests.suite.training.test_steps import make_steps

quickly = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 10_000)
ADAMW = {"lr": 0.02, "weight_decay": 0.1}
SGD = {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}


def build(name, **hyperparameters):
    component = registry.get("regularizer", name)
    return component.build(**{**component.defaults, **hyperparameters})


def ready(name, model=None, **hyperparameters):
    """A regularizer that has begun on a model."""
    model = model or small_model()
    regularizer = build(name, **hyperparameters)
    regularizer.attach(model, info())
    describe_parameters(model)
    objective = make_objective(model, regularizers=[regularizer])
    regularizer.start(model, objective)
    return regularizer, model, objective


def run(*regularizers, optimizer=("adamw", ADAMW), **changes):
    """The trajectory of an optimizer with regularizers, each a (name, hyperparameters)."""
    kinds = {"optimizer": [optimizer], "regularizer": regularizers}
    names = [(kind, name) for kind, some in kinds.items() for name, _ in some]
    values = {
        name: {**registry.get(kind, name).defaults, **h}
        for kind, some in kinds.items()
        for name, h in some
    }
    return take(network({}, optimizer), names, values, nn.functional.cross_entropy, **changes)


def same(one, other):
    return all(
        np.array_equal(a, b)
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


# -- strength zero --------------------------------------------------------------------------------

ZERO = [
    ("l1", {"strength": 0.0, "form": "subgradient"}),
    ("l1", {"strength": 0.0, "form": "proximal"}),
    ("l2", {"strength": 0.0}),
    ("l2_init", {"strength": 0.0}),
    ("z_loss", {"strength": 0.0}),
    ("flooding", {"level": 0.0}),
    ("spectral_decoupling", {"strength": 0.0}),
    ("gradient_regularization", {"strength": 0.0}),
    ("dropout", {"rate": 0.0}),
    ("late_dropout", {"rate": 0.0}),
    ("early_dropout", {"rate": 0.0}),
    ("max_norm", {"radius": 1e9}),
    ("norm_loss", {"strength": 0.0}),
    ("spectral_reg", {"strength": 0.0}),
    ("wasserstein_reg", {"strength": 0.0}),
    ("iss_p", {"sparsity": 0.0}),
    ("weight_balancing", {"decay": 0.0, "head_decay": 0.0, "second": 0.0}),
    ("l2_weight_perturbation", {"strength": 0.0, "noise": 0.0}),
    ("label_smoothing", {"epsilon": 0.0}),
    ("tsla", {"theta": 0.0}),
    ("low_rank_init", {"rank": 1.0}),
]


@pytest.mark.parametrize(("name", "nothing"), ZERO)
def test_at_strength_zero_no_bit_changes(name, nothing):
    assert same(run((name, nothing)).weights, run().weights)


@pytest.mark.parametrize(("name", "nothing"), ZERO)
def test_at_the_default_or_stronger_something_changes(name, nothing):
    strong = {key: 0.5 for key, value in nothing.items() if not isinstance(value, str)}
    if name == "flooding":
        strong = {"level": 2.0}
    if name == "low_rank_init":
        strong = {"rank": 0.2}
    forms = {key: value for key, value in nothing.items() if isinstance(value, str)}
    assert not same(run((name, {**strong, **forms})).weights, run().weights)


def test_cutout_of_length_zero_leaves_the_batch():
    cutout = build("cutout", length=0.0)
    cutout.attach(small_model(), info())
    inputs = torch.randn(4, 16)
    assert cutout.batch(inputs, torch.zeros(4))[0] is inputs


# -- penalties ------------------------------------------------------------------------------------


@quickly
@given(seed=seeds, strength=st.floats(0.0, 5.0))
def test_l2_shrinks_a_weight_without_gradient_by_its_factor(seed, strength):
    l2, model, _ = ready("l2", small_model(seed), strength=strength)
    penalty = torch.as_tensor(l2.penalty(model))
    if not strength:
        assert penalty == 0
        return
    gradients = torch.autograd.grad(penalty, list(model.parameters()))
    for p, g in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(p - 0.1 * g, (1 - 0.1 * strength) * p)


@quickly
@given(seed=seeds, strength=st.floats(0.01, 20.0))
def test_proximal_l1_is_the_minimum_of_its_problem(seed, strength):
    """argmin over x of |x - w|^2 / 2 + rate strength |x|, so no other point is better."""
    l1, model, _ = ready("l1", small_model(seed), strength=strength, form="proximal")
    w = model[0].weight.detach().clone()
    bias = model[0].bias.detach().clone()
    with torch.no_grad():
        l1.after_step(model, torch.optim.SGD(model.parameters(), lr=0.05))
    x = model[0].weight.detach()
    assert torch.equal(model[0].bias, bias)
    cost = (x - w) ** 2 / 2 + 0.05 * strength * x.abs()
    for other in (torch.zeros_like(w), w, x + 1e-3, x - 1e-3, w / 2):
        assert ((other - w) ** 2 / 2 + 0.05 * strength * other.abs() >= cost - 1e-12).all()
    assert torch.equal(x == 0, w.abs() <= 0.05 * strength)


@quickly
@given(seed=seeds)
def test_wasserstein_ignores_the_order_and_is_less_restrictive_than_l2_init(seed):
    towards, model, _ = ready("wasserstein_reg", strength=1.0)
    fixed = ready("l2_init", strength=1.0)[0]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.flatten()[torch.randperm(p.numel(), generator=generator)].view_as(p))
        assert float(towards.penalty(model)) < 1e-20
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator, dtype=p.dtype))
        assert towards.penalty(model) <= fixed.penalty(model) + 1e-12


@quickly
@given(seed=seeds)
def test_norm_loss_is_zero_on_the_oblique_manifold_and_keeps_directions(seed):
    loss, model, _ = ready("norm_loss", small_model(seed), strength=1.0)
    for layer in (model[0], model[2]):
        (g,) = torch.autograd.grad(loss.penalty(model), [layer.weight], retain_graph=True)
        cosines = torch.cosine_similarity(g, layer.weight, dim=1).abs()
        torch.testing.assert_close(cosines, torch.ones_like(cosines))
        with torch.no_grad():
            layer.weight.div_(layer.weight.norm(dim=1, keepdim=True))
    assert float(loss.penalty(model).detach()) < 1e-25


@quickly
@given(seed=seeds)
def test_power_iteration_finds_the_largest_singular_value(seed):
    spectral, model, _ = ready("spectral_reg", small_model(seed), strength=1.0)
    largest = [torch.linalg.matrix_norm(w, 2) for w in (model[0].weight, model[2].weight)]
    u, v = spectral._vectors["0.weight"]
    assert u @ model[0].weight @ v <= largest[0] + 1e-12
    with torch.no_grad():
        for _ in range(500):
            spectral.after_step(model, None)
        expected = sum((sigma**2 - 1) ** 2 for sigma in largest)
        expected += sum(p.square().sum() ** 2 for p in (model[0].bias, model[2].bias))
    torch.testing.assert_close(spectral.penalty(model).detach(), expected.detach())


@quickly
@given(seed=seeds, radius=st.floats(0.1, 2.0))
def test_max_norm_projects_onto_the_ball_and_no_further(seed, radius):
    ball, model, _ = ready("max_norm", small_model(seed), radius=radius)
    before = snapshot(model)
    with torch.no_grad():
        ball.after_step(model, None)
    once = snapshot(model)
    with torch.no_grad():
        ball.after_step(model, None)
    for old, new, again in zip(before, once, snapshot(model), strict=True):
        torch.testing.assert_close(new, again, rtol=1e-14, atol=0)
        if old.ndim == 1:
            assert torch.equal(old, new)
            continue
        norms = old.norm(dim=1)
        torch.testing.assert_close(new.norm(dim=1), norms.clamp(max=radius))
        assert torch.equal(new[norms <= radius], old[norms <= radius])


@quickly
@given(seed=seeds, level=st.floats(0.1, 3.0))
def test_flooding_turns_the_gradient_around_below_its_level(seed, level):
    model = small_model(seed)
    flooding = build("flooding", level=level)
    objective = make_objective(model, regularizers=[flooding])
    inputs, targets = small_batch()
    loss = float(nn.functional.cross_entropy(model(inputs), targets).detach())
    found, gradients = objective.gradient()
    assert float(found) >= level - 1e-12
    for mine, plain in zip(gradients, gradients_of(model), strict=True):
        torch.testing.assert_close(mine, plain if loss > level else -plain)


@quickly
@given(seed=seeds, difference=st.sampled_from(["forward", "backward"]))
def test_gradient_regularization_is_exact_on_a_quadratic(seed, difference):
    """g + strength H g, for both differences and any ascent; two evaluations are charged."""
    torch.manual_seed(seed)
    model = nn.Linear(FEATURES, 1).double()
    describe_parameters(model)
    inputs, _ = small_batch(seed)
    batch = inputs, torch.randn(len(inputs), 1, dtype=torch.float64)
    h = {"strength": 0.3, "ascent": 0.7, "difference": difference}
    plain = make_objective(model, batch, criterion=nn.functional.mse_loss)
    _, g = plain.gradient()
    expected = [a + 0.3 * b for a, b in zip(g, plain.hvp(g), strict=True)]
    before = snapshot(model)
    regularizer = build("gradient_regularization", **h)
    objective = make_objective(model, batch, [regularizer], nn.functional.mse_loss)
    objective()
    assert objective.spent == 2 * len(inputs)
    for p, w, wanted in zip(model.parameters(), before, expected, strict=True):
        assert torch.equal(p, w)
        torch.testing.assert_close(p.grad, wanted)


def test_z_loss_pulls_the_normalizer_to_one():
    strong, plain = run(("z_loss", {"strength": 1.0})), run()
    inputs, _ = small_batch(0)

    def normalizer(weights):
        hidden = np.tanh(inputs.numpy() @ weights[0].T + weights[1])
        return np.abs(np.log(np.exp(hidden @ weights[2].T + weights[3]).sum(1))).mean()

    assert normalizer(strong.weights[-1]) < normalizer(plain.weights[-1]) / 2


@pytest.mark.parametrize("order", [("l2_init", "weight_norm"), ("weight_norm", "l2_init")])
def test_penalties_work_on_reparametrized_layers(order):
    for name in ("l2_init", "wasserstein_reg", "spectral_reg", "norm_loss", "l1"):
        names = [name if n == "l2_init" else n for n in order]
        run(*[(n, {}) for n in names])


@pytest.mark.parametrize("name", ["norm_loss", "max_norm", "iss_p"])
def test_models_without_units_are_refused(name):
    model = nn.LayerNorm(5).double()
    describe_parameters(model)
    objective = make_objective(model)
    with pytest.raises(NotApplicable):
        build(name).start(model, objective)


def test_other_losses_and_models_are_refused():
    mse = dataclasses.replace(info(), loss="mse")
    for name in ("z_loss", "weight_balancing", "wb_one_stage"):
        with pytest.raises(NotApplicable):
            build(name).attach(small_model(), mse)
    for name in ("bcwi", "shrink_and_perturb"):
        with pytest.raises(NotApplicable):
            build(name).attach(small_model(), info())
    for name in ("dropout", "nap", "kumar_init", "ghost_batchnorm"):
        with pytest.raises(NotApplicable):
            build(name).attach(nn.Sequential(nn.Linear(2, 2)), info())
    with pytest.raises(NotApplicable):
        build("cutout").attach(small_model(), dataclasses.replace(info(), inputs="tokens"))


# -- pruning, dropout, data -----------------------------------------------------------------------


@pytest.mark.parametrize("sparsity", [0.3, 0.9])
def test_pruned_weights_stay_zero_under_momentum(sparsity):
    found = run(("iss_p", {"sparsity": sparsity, "until": 0.4}), optimizer=("sgd", SGD))
    pruned = [weights[0] == 0 for weights in found.weights]
    count = int(sparsity * pruned[0].size)
    assert [int(p.sum()) for p in pruned] == [0] * 10 + [count] * 15
    assert all(np.array_equal(p, pruned[-1]) for p in pruned[10:])
    assert not any((weights[2] == 0).any() for weights in found.weights)


@quickly
@given(seed=seeds, rate=st.floats(0.05, 0.8))
def test_dropout_keeps_the_mean_and_is_off_in_evaluations(seed, rate):
    model = nn.Sequential(nn.ReLU())
    build("dropout", rate=rate).attach(model, info())
    torch.manual_seed(seed)
    ones = torch.ones(300, 300)
    assert float(model(ones).mean()) == pytest.approx(1, abs=0.05)
    assert torch.equal(model.eval()(ones), ones)


@quickly
@given(seed=seeds, length=st.sampled_from([0.25, 0.5, 0.625]), flat=st.booleans())
def test_cutout_cuts_one_square_of_all_channels(seed, length, flat):
    side = 8
    cutout = build("cutout", length=length)
    cutout.attach(small_model(), info(generator=torch.Generator().manual_seed(seed)))
    shape = (20, side**2) if flat else (20, 3, side, side)
    inputs = torch.rand(shape) + 1
    found = cutout.batch(inputs.clone(), torch.zeros(20))[0]
    images, cut = inputs.view(20, -1, side, side), found.view(20, -1, side, side)
    zero = cut == 0
    assert torch.equal(cut[~zero], images[~zero])
    assert torch.equal(zero, zero[:, :1].expand_as(zero))
    longest = 2 * (round(length * side) // 2)
    for one in zero[:, 0]:
        rows, columns = one.any(1), one.any(0)
        assert torch.equal(one, rows[:, None] & columns[None])
        for line in (rows, columns):
            places = line.nonzero().flatten()
            assert longest // 2 <= len(places) <= longest
            assert int(places.max() - places.min()) + 1 == len(places)


@quickly
@given(seed=seeds)
def test_a_new_start_has_the_initial_weights_in_another_order(seed):
    model = small_model(seed)
    regularizer = build("shrink_and_perturb", shrink=0.0, perturb=1.0)
    regularizer.attach(model, info(tasks=2))
    objective = make_objective(model, regularizers=[regularizer])
    regularizer.start(model, objective)
    first = snapshot(model)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p))
    regularizer.on_task_change(model, 1)
    for p, w in zip(model.parameters(), first, strict=True):
        torch.testing.assert_close(p.flatten().sort().values, w.flatten().sort().values)
    assert not torch.equal(model[0].weight, first[0])
    warm = build("shrink_and_perturb", shrink=1.0, perturb=0.0)
    warm.attach(model, info(tasks=2))
    warm.start(model, objective)
    before = snapshot(model)
    warm.on_task_change(model, 1)
    assert all(map(torch.equal, snapshot(model), before))


# -- long tails -----------------------------------------------------------------------------------


def test_the_second_stage_trains_the_output_layer_alone_even_with_decay():
    h = {"second": 0.4, "head_decay": 0.1}
    found = run(("weight_balancing", h), optimizer=("adamw", {"lr": 0.05, "weight_decay": 0.5}))
    last = found.weights[14]  # the second stage begins with step 15 of 25
    for weights in found.weights[15:]:
        assert np.array_equal(weights[0], last[0])
        assert np.array_equal(weights[1], last[1])
    assert not np.array_equal(found.weights[-1][2], last[2])
    lengths = np.linalg.norm(last[2], axis=1)
    radius = lengths.min() + 0.1 * (lengths.max() - lengths.min())
    for weights in found.weights[15:]:
        assert (np.linalg.norm(weights[2], axis=1) <= radius + 1e-9).all()


@quickly
@given(sizes=st.lists(st.integers(1, 500), min_size=3, max_size=3))
def test_rarer_classes_weigh_more_and_weights_average_one(sizes):
    balancing, _, objective = ready("weight_balancing", second=0.5)
    targets = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes))
    balancing._sizes = type(balancing._sizes)(info(examples=None))
    balancing.progress = 0.1
    balancing.batch(objective.batch[0], targets)
    balancing.progress = 0.6
    balancing.batch(objective.batch[0], targets)
    weights = balancing._class_weights.tolist()
    assert sum(weights) == pytest.approx(3)
    for i in range(3):
        for j in range(3):
            assert (sizes[i] < sizes[j]) <= (weights[i] > weights[j])


@quickly
@given(seed=seeds)
def test_the_fixed_output_layer_is_an_equiangular_tight_frame(seed):
    model = small_model()
    one_stage = build("wb_one_stage")
    one_stage.attach(model, info(generator=torch.Generator().manual_seed(seed)))
    head = model[2].weight
    expected = torch.full((CLASSES, CLASSES), -1 / (CLASSES - 1), dtype=torch.float64)
    torch.testing.assert_close(head @ head.T, expected.fill_diagonal_(1))
    assert not head.requires_grad


# -- averages -------------------------------------------------------------------------------------

AVERAGES = [
    ("iterate_averaging", {"start": 0.0}),
    ("iterate_averaging", {"start": 0.5}),
    ("swa_trajectory", {"window": 0.3}),
    ("iterate_ema", {"decay": 0.9}),
    ("swa", {"start": 0.5}),
    ("bcwi", {"alpha": 0.3}),
]


@pytest.mark.parametrize(("name", "h"), AVERAGES)
@quickly
@given(seed=seeds)
def test_averages_are_means_of_the_iterates(name, h, seed):
    """Weights that sum to one: a mean of constants is the constant, and shifts pass through."""
    generator = torch.Generator().manual_seed(seed)
    one, shifted, constant = build(name, **h), build(name, **h), build(name, **h)
    for r in (one, shifted, constant):
        r.attach(small_model(), info(steps=10, tasks=2))
    shift = torch.randn(4, generator=generator, dtype=torch.float64)
    for step in range(10):
        w = torch.randn(4, generator=generator, dtype=torch.float64)
        if step == 5 and name == "bcwi":
            for r in (one, shifted, constant):
                r.on_task_change(None, 1)
        for r in (one, shifted, constant):
            r.progress = step / 10
        a = one.average({"w": w})["w"]
        b = shifted.average({"w": 3 * w + shift})["w"]
        torch.testing.assert_close(b, 3 * a + shift)
        torch.testing.assert_close(constant.average({"w": shift})["w"], shift)


def test_a_window_of_one_step_is_the_last_weights():
    short = build("swa_trajectory", window=0.005)
    short.attach(small_model(), info(steps=100))
    for step in range(5):
        w = torch.full((3,), float(step))
        assert torch.equal(short.average({"w": w})["w"], w)


# -- initializations ------------------------------------------------------------------------------


def network_for(seed):
    torch.manual_seed(seed)
    layers = nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 9), nn.ReLU()
    return nn.Sequential(*layers, mark_head(nn.Linear(9, 3)))


@quickly
@given(seed=seeds, gain=st.floats(0.3, 3.0))
def test_orthogonal_layers_have_all_singular_values_equal_to_the_gain(seed, gain):
    model = network_for(seed)
    build("orthogonal_init", gain=gain).attach(model, info())
    for layer in (model[0], model[3], model[5]):
        values = torch.linalg.svdvals(layer.weight.flatten(1))
        torch.testing.assert_close(values, torch.full_like(values, gain))
        assert not layer.bias.any()


@quickly
@given(seed=seeds, share=st.floats(0.01, 0.99))
def test_low_rank_layers_have_their_rank_and_their_norm(seed, share):
    model, before = network_for(seed), network_for(seed)
    build("low_rank_init", rank=share).attach(model, info())
    for i in (0, 3):
        matrix, old = model[i].weight.flatten(1), before[i].weight.flatten(1)
        assert torch.linalg.matrix_rank(matrix) == max(1, round(share * min(matrix.shape)))
        torch.testing.assert_close(matrix.norm(), old.norm())
    assert torch.equal(model[5].weight, before[5].weight)


def test_kumar_keeps_the_variance_of_activations_through_depth():
    torch.manual_seed(0)
    layers = [m for _ in range(6) for m in (nn.Linear(1000, 1000), nn.ReLU())]
    model = nn.Sequential(*layers)
    build("kumar_init").attach(model, info())
    inputs = torch.randn(100, 1000)
    with torch.no_grad():
        assert float(model(inputs).square().mean()) == pytest.approx(1.0, rel=0.25)


def test_lir_deviations_fall_with_the_square_root_of_the_block():
    class Blocks(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(50, 100)
            self.blocks = nn.ModuleList(nn.Linear(100, 100) for _ in range(4))
            self.head = mark_head(nn.Linear(100, 50))

    model = Blocks()
    build("lir_init", std=0.1).attach(model, info())
    for number, block in enumerate(model.blocks, start=1):
        assert float(block.weight.std()) == pytest.approx(0.1 / math.sqrt(number), rel=0.05)
    assert float(model.embedding.weight.std()) == pytest.approx(0.1, rel=0.05)
    assert float(model.head.weight.std()) == pytest.approx(0.1, rel=0.05)


# -- normalizations -------------------------------------------------------------------------------


def with_norm(kind=nn.BatchNorm1d):
    torch.manual_seed(0)
    layers = nn.Linear(FEATURES, 6), kind(6), nn.Tanh(), mark_head(nn.Linear(6, CLASSES))
    return nn.Sequential(*layers).double()


@quickly
@given(seed=seeds, size=st.sampled_from([2, 3, 4, 6]))
def test_parts_are_normalized_by_themselves_and_move_the_statistics_in_turn(seed, size):
    ghost, plain = with_norm(), with_norm()
    build("ghost_batchnorm", size=size).attach(ghost, info())
    x = torch.randn(12, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    parts = ghost[1](x).split(size)
    for part, inputs in zip(parts, x.split(size), strict=True):
        torch.testing.assert_close(part, plain[1](inputs))
    torch.testing.assert_close(ghost[1].running_mean, plain[1].running_mean)
    torch.testing.assert_close(ghost[1].running_var, plain[1].running_var)
    assert torch.equal(ghost.eval()[1](x), plain.eval()[1](x))


def test_a_batch_of_one_part_is_batch_norm_to_the_bit():
    ghost, plain = with_norm(), with_norm()
    build("ghost_batchnorm", size=12).attach(ghost, info())
    x = torch.randn(12, FEATURES, dtype=torch.float64)
    assert torch.equal(ghost(x), plain(x))
    describe_parameters(ghost)
    assert [p.role for p in ghost.parameters()].count("norm") == 2


@quickly
@given(seed=seeds, scale=st.floats(0.1, 10.0))
def test_nap_outputs_do_not_depend_on_the_scale_of_hidden_weights(seed, scale):
    model = small_model(seed)
    nn.init.zeros_(model[0].bias)
    with torch.no_grad():  # layer norm's epsilon is not scaled, and nothing beside these
        model[0].weight.mul_(1e3)
    nap, model, _ = ready("nap", model)
    inputs, _ = small_batch(seed)
    before, norm = model(inputs), model[0].weight.norm()
    with torch.no_grad():
        model[0].weight.mul_(scale)
        torch.testing.assert_close(model(inputs), before, rtol=1e-3, atol=1e-3)
        nap.after_step(model, None)
    torch.testing.assert_close(model[0].weight.norm(), norm)
    assert nap.hooks_in_evaluation


def test_nap_normalizes_maps_over_channels_and_pixels():
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2))
    seen = []
    build("nap").attach(model, info())
    model[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.randn(5, 1, 4, 4))
    flat = seen[0].flatten(1)
    torch.testing.assert_close(flat.mean(1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(flat.var(1, unbiased=False), torch.ones(5), atol=1e-3, rtol=0)


@quickly
@given(seed=seeds)
def test_conditioned_rows_have_length_one_and_gradients_along_the_sphere(seed):
    model = small_model(seed)
    build("weight_conditioning").attach(model, info())
    original = model[0].parametrizations.weight.original
    rows = model[0].weight.norm(dim=1)
    torch.testing.assert_close(rows, torch.ones_like(rows))
    inputs, targets = small_batch(seed)
    nn.functional.cross_entropy(model(inputs), targets).backward()
    along = (original.grad * original).sum(1)
    torch.testing.assert_close(along, torch.zeros_like(along), atol=1e-12, rtol=0)
    before = model(inputs)
    with torch.no_grad():
        original.mul_(torch.rand(6, 1, dtype=torch.float64) + 0.5)
    torch.testing.assert_close(model(inputs), before)


@quickly
@given(seed=seeds, a=st.floats(0.5, 5.0), b=st.floats(0.2, 5.0), far=st.floats(0.0, 1e6))
def test_companded_weights_begin_as_they_were_and_stay_bounded(seed, a, b, far):
    model, before = small_model(seed), small_model(seed)
    build("weight_compander", a=a, b=b).attach(model, info())
    torch.testing.assert_close(model[0].weight, before[0].weight)
    factors = model[0].parametrizations.weight
    with torch.no_grad():
        factors.original0.add_(far)
    assert (model[0].weight.abs() <= a * math.pi / 2).all()
    describe_parameters(model)
    assert [f.role for f in factors.parameters()] == ["hidden", "scale", "scale"]


def test_the_norms_and_reparametrizations_take_part_in_a_method():
    for name in ("weight_norm", "weight_conditioning", "weight_compander", "nap"):
        regularizer = build(name)
        model = small_model()
        regularizer.attach(model, info())
        steps, *_ = make_steps(lambda p: torch.optim.SGD(p, lr=0.1), regularizer, model=model)
        describe_parameters(model)
        steps.start()
        before = snapshot(model)
        for _ in range(3):
            steps.take(0.0)
        moved = [not torch.equal(a, b) for a, b in zip(before, snapshot(model), strict=True)]
        assert all(moved), name
