"""What the papers of first-order methods promise, for drawn tensors."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from suite.components import registry
from suite.components.regularizer import Regularizer
from tests.objectives import (
    EXAMPLES,
    gradients_of,
    make_info,
    make_objective,
    small_model,
)

few = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 10_000)

NAMES = [
    "dadapt_adam",
    "dog",
    "exp_gradient",
    "induced_metric_opt",
    "lamb",
    "lars",
    "lbfgs",
    "ldog",
    "lion_k",
    "normalized_gd_beta",
    "normalized_logreg_gd",
    "normalized_sgd_momentum",
    "optimistic_gradient",
    "prodigy",
    "random_scaled_sgdm",
    "sgdw",
    "signsgd_momentum",
    "spider",
    "tag",
    "tvlars",
    "upgd",
]


class Given:
    """An objective whose gradients are given, of no parameters in particular."""

    def __init__(self, parameters, gradients):
        self.parameters, self.gradients, self.calls = parameters, gradients, 0

    def __call__(self):
        some = self.gradients[self.calls % len(self.gradients)]
        self.calls += 1
        for p, g in zip(self.parameters, some, strict=True):
            p.grad = g.clone() if g is not None else None
        return torch.tensor(2.0)

    def losses(self):
        return torch.tensor([1.0, 3.0])

    def next_batch(self):
        pass


def build(name, parameters, info=None, **changes):
    component = registry.get("optimizer", name)
    offered = {"info": info or replace(make_info(), tasks=3)}
    wanted = component.build.__init__ if isinstance(component.build, type) else component.build
    extra = offered if "info" in wanted.__code__.co_varnames else {}
    return component.build(parameters, **{**component.defaults, **changes}, **extra)


def take_steps(name, parameters, gradients, **changes):
    """One step for each list of gradients."""
    optimizer = build(name, parameters, **changes)
    objective = Given(parameters, gradients)
    for _ in gradients:
        optimizer.step(objective)
    return optimizer


def drawn(seed, *shapes, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def parameters_of(tensors):
    return [nn.Parameter(t.clone()) for t in tensors]


def moves(name, weights, gradients, **changes):
    """Where the weights are after the steps, minus where they began."""
    parameters = parameters_of(weights)
    take_steps(name, parameters, gradients, **changes)
    return [p.detach() - w for p, w in zip(parameters, weights, strict=True)]


# -- what holds for all of them -------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_is_resumed_goes_on_to_the_same_bits(name):
    def start(model, info):
        torch.manual_seed(7)
        return build(name, list(model.parameters()), info), make_objective(model)

    info = replace(make_info(), tasks=3)
    model = small_model()
    optimizer, objective = start(model, info)
    for t in range(14):
        if t == 7:
            state = copy.deepcopy(optimizer.state_dict())
            weights, drawn_here, drawn_before = (
                copy.deepcopy(model.state_dict()),
                torch.get_rng_state(),
                info.generator.get_state(),
            )
        if t in (3, 10) and name == "tag":
            optimizer.on_task_change(model, 1 + t // 7)
        optimizer.step(objective)
    other, other_info = small_model(seed=4), replace(make_info(), tasks=3)
    resumed, objective = start(other, other_info)
    other.load_state_dict(weights)
    resumed.load_state_dict(state)
    torch.set_rng_state(drawn_here)
    other_info.generator.set_state(drawn_before)
    for t in range(7, 14):
        if t == 10 and name == "tag":
            resumed.on_task_change(other, 2)
        resumed.step(objective)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)


# The line search of L-BFGS wants gradients that belong to the loss.
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"lbfgs"}))
def test_shapes_and_types_of_all_kinds_move_and_what_has_no_gradient_does_not(name):
    shapes = [(), (3,), (2, 3), (2, 3, 2, 2)]
    parameters = [nn.Parameter(1 + 0.1 * torch.randn(s)) for s in shapes]
    parameters += [nn.Parameter((1 + 0.1 * torch.randn(4)).bfloat16())]
    idle = nn.Parameter(torch.ones(2))
    before = [p.detach().clone() for p in parameters]
    torch.manual_seed(0)
    gradients = [[torch.randn_like(p) for p in parameters] + [None] for _ in range(4)]
    take_steps(name, [*parameters, idle], gradients)
    assert torch.equal(idle, torch.ones(2))
    for p, old in zip(parameters, before, strict=True):
        assert p.dtype == old.dtype
        assert p.isfinite().all()
        # DoG's first steps are below what 8 bits can show
        assert p.dtype == torch.bfloat16 or not torch.equal(p, old)


# L-BFGS has one group, methods with estimated rates one rate; the others make groups themselves.
@pytest.mark.parametrize(
    "name",
    sorted(set(NAMES) - {"lbfgs", "prodigy", "dadapt_adam", "dog", "ldog", "exp_gradient"}),
)
def test_groups_have_their_own_rates(name):
    moving, resting = parameters_of(drawn(1, (3, 2), (3, 2)))
    start = resting.detach().clone()
    optimizer = build(name, [{"params": [moving]}, {"params": [resting]}])
    optimizer.param_groups[1]["lr"] = 0.0
    objective = Given([moving, resting], [drawn(2, (3, 2), (3, 2))])
    for _ in range(3):
        optimizer.step(objective)
    assert torch.equal(resting, start)
    assert not torch.equal(moving, resting)


@few
@given(seeds, st.floats(1e-3, 0.5), st.floats(1e-3, 0.5))
def test_decoupled_decay_shrinks_an_unused_weight_by_exactly_its_factor(seed, lr, decay):
    start = drawn(seed, (4, 3))
    for name in ("lion_k", "induced_metric_opt", "sgdw", "upgd"):
        parameters = parameters_of(start)
        changes = {"sigma": 0.0} if name == "upgd" else {}
        optimizer = take_steps(
            name, parameters, [[torch.zeros(4, 3).double()]], lr=lr, weight_decay=decay, **changes
        )
        (group,) = optimizer.param_groups
        assert group["decoupled_weight_decay"]
        assert torch.equal(parameters[0], start[0] * (1 - group["lr"] * group["weight_decay"]))
        # SGDW's decay is not multiplied by the rate.
        share = decay if name == "sgdw" else lr * decay
        torch.testing.assert_close(parameters[0].detach(), start[0] * (1 - share))


# -- sign and normalized methods ------------------------------------------------------------------


@few
@given(seeds, st.sampled_from([2.0**-20, 0.25, 8.0, 2.0**20]))
def test_signs_and_unit_steps_do_not_see_the_scale_of_gradients(seed, scale):
    weights = drawn(seed, (3, 2), (4,))
    gradients = [drawn(seed + i, (3, 2), (4,)) for i in range(3)]
    scaled = [[scale * g for g in some] for some in gradients]
    for name, changes in (
        ("signsgd_momentum", {}),
        ("normalized_sgd_momentum", {}),
        ("lion_k", {"kappa": "l1"}),
        ("lion_k", {"kappa": "l2"}),
        ("lars", {"weight_decay": 0.0}),
        ("tvlars", {"weight_decay": 0.0}),
    ):
        found = moves(name, weights, scaled, **changes)
        for a, b in zip(found, moves(name, weights, gradients, **changes), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


@few
@given(seeds, st.floats(1e-3, 10.0))
def test_normalized_steps_have_the_length_of_the_rate(seed, lr):
    weights, gradients = drawn(seed, (3, 2), (4,)), [drawn(seed + 1, (3, 2), (4,), scale=100.0)]
    for name, changes in (
        ("normalized_sgd_momentum", {}),
        ("normalized_gd_beta", {"beta": 1.0}),
        ("spider", {}),
    ):
        found = moves(name, weights, gradients, lr=lr, **changes)
        assert float(sum(d.square().sum() for d in found)) ** 0.5 == pytest.approx(lr)


@few
@given(seeds, st.floats(0.0, 1.0), st.floats(0.01, 100.0))
def test_beta_is_the_power_of_the_gradient_that_is_taken_away(seed, beta, scale):
    weights, gradients = drawn(seed, (5,)), drawn(seed + 1, (5,))
    (small,) = moves("normalized_gd_beta", weights, [gradients], beta=beta)
    (large,) = moves("normalized_gd_beta", weights, [[scale * gradients[0]]], beta=beta)
    torch.testing.assert_close(large, small * scale ** (1 - beta))


@few
@given(seeds)
def test_rotated_gradients_rotate_the_steps_of_euclidean_methods(seed):
    rotation = torch.linalg.qr(drawn(seed, (5, 5))[0])[0]
    start, gradients = drawn(seed + 1, (5,)), [drawn(seed + 2 + i, (5,)) for i in range(4)]
    turned = [[rotation @ g for (g,) in [some]] for some in gradients]
    for name in (
        "normalized_sgd_momentum",
        "normalized_gd_beta",
        "dog",
        "lars",
        "optimistic_gradient",
        "spider",
    ):
        (plain,) = moves(name, start, gradients)
        (found,) = moves(name, [rotation @ start[0]], turned)
        torch.testing.assert_close(found, rotation @ plain)


@few
@given(seeds, st.sampled_from(["l1", "truncated", "huber"]), st.floats(0.1, 2.0))
def test_lion_k_stays_in_the_box_that_its_decay_makes(seed, kappa, decay):
    weights = [torch.rand(6, generator=torch.Generator().manual_seed(seed)).double() / decay]
    gradients = [drawn(seed + i, (6,), scale=10.0) for i in range(30)]
    parameters = parameters_of(weights)
    take_steps("lion_k", parameters, gradients, lr=0.1, weight_decay=decay, kappa=kappa)
    assert parameters[0].abs().max() <= 1 / decay + 1e-12


@few
@given(seeds)
def test_lion_k_with_the_l1_norm_is_lion(seed):
    weights, gradients = drawn(seed, (4, 3)), [drawn(seed + i, (4, 3)) for i in range(6)]
    common = {"lr": 0.01, "weight_decay": 0.5}
    found = moves("lion_k", weights, gradients, kappa="l1", **common)
    torch.testing.assert_close(found, moves("lion", weights, gradients, **common))


# -- methods with a layer's own rate --------------------------------------------------------------


@few
@given(seeds, st.sampled_from([0.125, 4.0, 64.0]))
def test_relative_steps_grow_with_the_weights(seed, scale):
    weights, gradients = drawn(seed, (4, 3)), [drawn(seed + 1, (4, 3))]
    for name in ("lars", "tvlars", "lamb"):
        changes = {"weight_decay": 0.0}
        (small,) = moves(name, weights, gradients, **changes)
        (large,) = moves(name, [scale * weights[0]], gradients, **changes)
        torch.testing.assert_close(large, scale * small)


@few
@given(seeds, st.floats(1e-4, 0.1))
def test_lamb_moves_a_layer_by_the_rate_times_its_norm(seed, lr):
    weights, gradients = drawn(seed, (4, 3), (2,)), [drawn(seed + 1, (4, 3), (2,))]
    for w, d in zip(weights, moves("lamb", weights, gradients, lr=lr), strict=True):
        assert float(d.norm()) == pytest.approx(lr * float(w.norm()))


def test_a_bias_that_begins_at_zero_moves():
    for name in ("lars", "tvlars", "lamb"):
        (found,) = moves(name, [torch.zeros(3).double()], [drawn(1, (3,))])
        assert found.abs().min() > 0


def test_tvlars_begins_high_and_ends_at_its_least_rate():
    """The factor of the rate, seen in the first velocity of a run that begins at a later step."""
    weights, gradients = drawn(0, (3,)), drawn(1, (3,))
    found = []
    for step in (0, 50, 99):
        parameters = parameters_of(weights)
        optimizer = build("tvlars", parameters, make_info(steps=100), steepness=50.0, delay=0.5)
        optimizer.param_groups[0]["step"] = step
        optimizer.step(Given(parameters, [gradients]))
        found.append(float((parameters[0].detach() - weights[0]).norm()))
    high, middle, low = found
    assert middle / high == pytest.approx(0.51 / 1.01, rel=1e-6)
    assert low / high == pytest.approx(0.01 / 1.01, rel=1e-6)


# -- methods that find their rate -----------------------------------------------------------------


@few
@given(seeds, st.sampled_from(["dog", "ldog"]), st.integers(1, 12))
def test_the_average_of_dog_has_weights_of_a_polynomial(seed, name, steps):
    """Shamir and Zhang 2013: the weight of step t is proportional to (t + 7)! / (t - 1)!."""
    weights, gradients = (
        drawn(seed, (3, 2), (4,)),
        [drawn(seed + i, (3, 2), (4,)) for i in range(12)],
    )
    parameters = parameters_of(weights)
    optimizer, objective = build(name, parameters), Given(parameters, gradients)
    visited = []
    for _ in range(steps):
        optimizer.step(objective)
        visited.append([p.detach().clone() for p in parameters])
    shares = torch.tensor(
        [torch.arange(t, t + 8).double().prod() for t in range(1, steps + 1)], dtype=torch.float64
    )
    optimizer.eval()
    for i, p in enumerate(parameters):
        points = torch.stack([some[i] for some in visited])
        mean = torch.tensordot(shares / shares.sum(), points, 1)
        torch.testing.assert_close(p.detach(), mean, rtol=0, atol=1e-12)
    optimizer.eval()
    optimizer.train()
    assert all(torch.equal(p, w) for p, w in zip(parameters, visited[-1], strict=True))


@few
@given(seeds, st.sampled_from([0.25, 32.0]))
def test_dog_does_not_see_the_scale_of_gradients(seed, scale):
    weights, gradients = drawn(seed, (6,)), [drawn(seed + i, (6,), scale=10.0) for i in range(8)]
    scaled = [[scale * g for g in some] for some in gradients]
    for name in ("dog", "ldog"):
        plain = moves(name, weights, gradients)
        torch.testing.assert_close(moves(name, weights, scaled), plain, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", ["prodigy", "dadapt_adam"])
def test_the_estimated_distance_grows_and_never_falls(name):
    model = small_model()
    optimizer, objective = build(name, list(model.parameters())), make_objective(model)
    found = []
    for _ in range(40):
        optimizer.step(objective)
        found.append(float(optimizer.param_groups[0]["d"]))
    assert found == sorted(found)
    assert found[-1] > 1000 * found[0]


# -- gradients at other points --------------------------------------------------------------------


def test_past_extragradient_converges_where_descent_spirals_out():
    """min over x, max over y of x y: the field (y, -x) turns around the solution 0."""

    class Game:
        def __init__(self, p):
            self.p = p

        def __call__(self):
            x, y = self.p.detach()
            self.p.grad = torch.stack([y, -x])
            return x * y

    ends = {}
    for name, changes in (
        ("optimistic_gradient", {}),
        ("sgd", {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}),
    ):
        p = nn.Parameter(torch.tensor([1.0, 1.0]))
        optimizer = build(name, [p], lr=0.3, **changes)
        for _ in range(200):
            optimizer.step(Game(p))
        ends[name] = float(p.detach().norm())
    assert ends["optimistic_gradient"] < 1e-3
    assert ends["sgd"] > 100


def test_spider_follows_the_gradient_itself_where_all_batches_are_one():
    model, twin = small_model(), small_model()
    optimizer, objective = build("spider", list(model.parameters()), lr=0.1), make_objective(model)
    for step in range(12):
        before = objective.spent
        optimizer.step(objective)
        # five batches at a refresh, else two gradients of one batch
        assert objective.spent - before == (5 if step % 5 == 0 else 2) * EXAMPLES
        gradients = gradients_of(twin)
        size = torch.stack([g.norm() for g in gradients]).norm()
        with torch.no_grad():
            for p, g in zip(twin.parameters(), gradients, strict=True):
                p.sub_(0.1 * g / size)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-12)


def test_lbfgs_is_charged_for_every_evaluation_and_lowers_the_loss_of_each_batch():
    model = small_model()
    optimizer, objective = build("lbfgs", list(model.parameters())), make_objective(model)
    for _ in range(5):
        spent, before = objective.spent, float(objective.loss())
        optimizer.step(objective)
        evaluations = (objective.spent - spent) / EXAMPLES - 1 / 3
        assert 2 <= evaluations <= 3 * 4 + 25
        assert float(objective.loss()) < before


# -- multiplicative, random and geometric methods -------------------------------------------------


@few
@given(seeds, st.floats(0.01, 10.0))
def test_exponentiated_weights_keep_their_signs(seed, lr):
    weights, gradients = drawn(seed, (4, 3)), [drawn(seed + i, (4, 3)) for i in range(5)]
    parameters = parameters_of(weights)
    take_steps("exp_gradient", parameters, gradients, lr=lr)
    assert torch.equal(parameters[0].sign(), weights[0].sign())
    assert not torch.equal(parameters[0], weights[0])


@few
@given(seeds)
def test_all_tensors_of_a_step_are_scaled_by_one_positive_number(seed):
    weights, gradients = drawn(seed, (4, 3), (5,)), [drawn(seed + 1, (4, 3), (5,))]
    info = make_info(seed=seed)
    found = moves("random_scaled_sgdm", weights, gradients, info=info, lr=1.0, momentum=0.5)
    ratios = torch.cat(
        [(-d / (0.5 * g)).flatten() for d, g in zip(found, gradients[0], strict=True)]
    )
    assert ratios.min() > 0
    torch.testing.assert_close(ratios, ratios[0].expand_as(ratios))


def test_random_scales_have_mean_one_and_the_spread_of_an_exponential():
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = build("random_scaled_sgdm", [parameter], lr=1.0, momentum=0.0)
    objective, found = Given([parameter], [[-torch.ones(1).double()]]), []
    for _ in range(4000):
        before = float(parameter.detach())
        optimizer.step(objective)
        found.append(float(parameter.detach()) - before)
    scales = torch.tensor(found)
    assert float(scales.mean()) == pytest.approx(1.0, abs=0.06)
    assert float(scales.std()) == pytest.approx(1.0, abs=0.1)


@few
@given(seeds, st.floats(1e-3, 10.0))
def test_the_induced_metric_clips_smoothly(seed, xi):
    """The first step is lr g / (1 + xi ||g||^2): never longer than lr / (2 sqrt(xi))."""
    weights, gradients = drawn(seed, (6,)), drawn(seed + 1, (6,), scale=10.0)
    (found,) = moves("induced_metric_opt", weights, [gradients], xi=xi, lr=0.1, weight_decay=0.0)
    g = gradients[0]
    torch.testing.assert_close(found, -0.1 * g / (1 + xi * g.square().sum()))
    assert float(found.norm()) <= 0.1 / (2 * xi**0.5) + 1e-12


@few
@given(seeds)
def test_the_logarithm_does_not_see_the_scale_of_the_loss(seed):
    weights, gradients = drawn(seed, (6,)), drawn(seed + 1, (6,))
    ends = []
    for scale in (1.0, 16.0):
        parameters = parameters_of(weights)
        optimizer = build("induced_metric_opt", parameters, form="log", weight_decay=0.0)
        objective = Given(parameters, [[scale * gradients[0]]])
        optimizer.step(lambda o=objective, s=scale: o() * s)
        ends.append(parameters[0].detach())
    torch.testing.assert_close(*ends)


# -- examples' weights ----------------------------------------------------------------------------


def test_the_normalized_logistic_step_is_a_mean_of_signed_inputs():
    """Tyurin 2024: however large the weights, the step is as long as the misfit examples."""
    inputs = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    labels = torch.tensor([[1.0], [1.0]], dtype=torch.float64)
    model = nn.Linear(2, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[300.0, -300.0]]))  # the second example is misfit

    def logistic(outputs, targets):
        return nn.functional.softplus(-targets * outputs).mean()

    objective = make_objective(model, (inputs, labels), criterion=logistic)
    optimizer = build("normalized_logreg_gd", list(model.parameters()), lr=1.0)
    optimizer.step(objective)
    torch.testing.assert_close(
        model.weight.detach(), torch.tensor([[300.0, -299.0]], dtype=torch.float64)
    )
    assert objective.spent == pytest.approx(2 * 4 / 3)


# -- continual methods ----------------------------------------------------------------------------


@few
@given(seeds)
def test_upgd_spares_the_most_useful_weight_the_most(seed):
    weights, gradients = drawn(seed, (8,)), drawn(seed + 1, (8,))
    common = {"sigma": 0.0, "weight_decay": 0.0, "lr": 0.1, "beta": 0.9}
    (found,) = moves("upgd", weights, [gradients], protecting=True, **common)
    share = found / (-0.1 * gradients[0])
    assert float(share.min()) >= -1e-12
    assert float(share.max()) <= 1 + 1e-12
    utility = -weights[0] * gradients[0]
    if utility.max() > 0:
        assert share.argmin() == utility.argmax()
    (plain,) = moves("upgd", weights, [gradients], protecting=False, **common)
    torch.testing.assert_close(plain, -0.1 * gradients[0])


@few
@given(seeds, st.sampled_from(["rmsprop", "adam"]))
def test_tag_in_its_first_task_is_the_method_it_extends(seed, base):
    weights, gradients = drawn(seed, (4, 3)), [drawn(seed + i, (4, 3)) for i in range(6)]
    parameters = parameters_of(weights)
    if base == "rmsprop":
        other = torch.optim.RMSprop(parameters, lr=1e-2, alpha=0.99, eps=1e-8)
    else:
        other = torch.optim.Adam(parameters, lr=1e-2)
    for some in gradients:
        parameters[0].grad = some[0]
        other.step()
    (found,) = moves("tag", weights, gradients, base=base, lr=1e-2)
    torch.testing.assert_close(found, parameters[0].detach() - weights[0])


def test_tag_moves_less_along_directions_that_an_earlier_task_used():
    weights, along = drawn(0, (5,)), drawn(1, (5,))[0]
    steps = {}
    for name, gradient in (("same", along), ("opposite", -along)):
        parameters = parameters_of(weights)
        optimizer = build("tag", parameters)
        objective = Given(parameters, [[along]] * 10 + [[gradient]])
        for t in range(11):
            if t == 10:
                optimizer.on_task_change(None, 1)
                before = parameters[0].detach().clone()
            optimizer.step(objective)
        steps[name] = float((parameters[0].detach() - before).norm())
    assert steps["opposite"] < steps["same"] / 10


# -- masked updates -------------------------------------------------------------------------------


@few
@given(seeds, st.floats(1.0, 10.0))
def test_masked_updates_keep_their_length_up_to_the_bound(seed, bound):
    regularizer = registry.get("regularizer", "alphaadam").build(bound=bound)
    assert isinstance(regularizer, Regularizer)

    class Called:
        called = True

    regularizer.objective = Called()
    delta, gradient = drawn(seed, (12,), (12,))
    parameter = nn.Parameter(torch.zeros(12).double())
    parameter.grad = gradient
    changed = delta.clone()
    regularizer.update([parameter], [changed])
    agrees = delta * gradient < 0
    assert torch.equal(changed[~agrees], torch.zeros_like(changed[~agrees]))
    kept = delta * agrees
    if agrees.any():
        alpha = min(float(delta.norm() / kept.norm()), bound)
        torch.testing.assert_close(changed, alpha * kept)


# -- torch's fast forms ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_complex_parameter_moves_as_its_two_parts_do(name):
    """torch's fused forms refuse complex numbers; the form used instead treats them as pairs."""
    start = drawn(3, (4, 2))[0]
    gradients = [drawn(4 + i, (4, 2))[0] for i in range(5)]
    whole = nn.Parameter(torch.view_as_complex(start.clone()))
    real = nn.Parameter(start.clone())
    take_steps(name, [whole], [[torch.view_as_complex(g)] for g in gradients])
    take_steps(name, [real], [[g] for g in gradients])
    torch.testing.assert_close(torch.view_as_real(whole.detach()), real.detach())
    assert not torch.equal(real.detach(), start)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_real_parameters_take_the_fused_form_and_complex_ones_do_not(name):
    real, whole = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=torch.complex64))
    for parameters, fused in (
        ([real], True),
        ([real, whole], False),
        ([{"params": [whole]}], False),
    ):
        optimizer = build(name, parameters)
        assert all(bool(group["fused"]) is fused for group in optimizer.param_groups)
        assert all(bool(group["foreach"]) is not fused for group in optimizer.param_groups)
