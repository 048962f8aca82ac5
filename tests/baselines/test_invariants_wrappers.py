"""What wrappers and gradient transforms promise, whatever the gradients are."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from suite import NotApplicable
from suite.components import registry
from suite.components.parameters import describe_parameters
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.golden.walk import component_trajectory, make_steps, network, take
from tests.objectives import (
    gradients_of,
    make_info,
    make_objective,
    small_batch,
    small_model,
    snapshot,
)

SGD = ("sgd", {"lr": 0.05, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0})
ADAMW = ("adamw", {"lr": 0.01, "weight_decay": 0.5})
few = settings(max_examples=12, deadline=None)
seeds = st.integers(0, 10_000)
shapes = st.sampled_from([(), (1,), (5,), (4, 6), (1, 5), (5, 1), (3, 2, 3), (3, 2, 2, 2)])


def build(name, **changes):
    component = registry.get("regularizer", name)
    return component.build(**{**component.defaults, **changes})


def parameter(shape, seed, role="hidden", size=1.0):
    """A parameter with a gradient."""
    generator = torch.Generator().manual_seed(seed)
    p = nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64))
    p.grad = size * torch.randn(shape, generator=generator, dtype=torch.float64)
    p.role = role
    return p


@torch.no_grad()
def transformed(name, p, **changes):
    """The gradient that a transform leaves; a parameter without one stays without."""
    other = nn.Parameter(torch.zeros(2))
    other.role = "hidden"
    build(name, **changes).gradients([other, p])
    assert other.grad is None
    return p.grad


def trajectory(name, changes, under=SGD, **how):
    h = {**registry.get("regularizer", name).defaults, **changes}
    return component_trajectory("regularizer", name, network(h, under), on_network=True, **how)


def without(under=SGD):
    setting = network({}, under)
    name, values = under
    chosen = {name: {**registry.get("optimizer", name).defaults, **values}}
    return take(setting, [("optimizer", name)], chosen, nn.functional.cross_entropy)


def stepping(name, changes, under=SGD, model=small_model):
    """Steps of a method on the small network, the model and the optimizer."""
    setting = network({}, under, model=model)
    optimizer, values = under
    chosen = {
        optimizer: {**registry.get("optimizer", optimizer).defaults, **values},
        name: {**registry.get("regularizer", name).defaults, **changes},
    }
    parts = [("optimizer", optimizer), ("regularizer", name)]
    made = make_steps(setting, parts, chosen, nn.functional.cross_entropy)
    made[0].start()
    return made


# -- nothing at strength zero ---------------------------------------------------------------------


@pytest.mark.parametrize("under", [SGD, ADAMW], ids=["sgd", "adamw"])
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("grad_clip_norm", {"max_norm": 1e9}),
        ("adaptive_grad_clip", {"clipping": 1e9}),
        ("sam", {"rho": 0.0}),
        ("asam", {"rho": 0.0}),
        ("grokfast_ema", {"amplification": 0.0}),
        ("grokfast_ma", {"amplification": 0.0, "window": 2}),
        ("grokfast_ma", {"window": 100}),
        ("grades", {"threshold": 0.0, "grace": 0.0}),
        ("grades", {"threshold": 1e9, "grace": 1.0}),
        ("lawn", {"free": 1.0}),
        ("local_sgd", {"workers": 1}),
        ("tvr", {"target": 1e9}),
        ("xgrad", {"s": 0}),
        ("gmt", {"keep": 1.0}),
        ("fish_mask", {"keep": 1.0, "samples": 5}),
        ("lookahead", {"alpha": 1.0}),
    ],
)
def test_no_bit_changes_at_strength_zero(name, changes, under):
    for found, expected in zip(
        trajectory(name, changes, under).weights, without(under).weights, strict=True
    ):
        assert all((a == b).all() for a, b in zip(found, expected, strict=True))


# -- transforms of gradients ----------------------------------------------------------------------


@few
@given(seed=seeds, bound=st.floats(0.01, 100))
def test_a_clipped_gradient_has_the_bound_and_its_direction(seed, bound):
    parameters = [parameter((3, 4), seed), parameter((5,), seed + 1)]
    before = torch.cat([p.grad.flatten() for p in parameters])
    build("grad_clip_norm", max_norm=bound).gradients(parameters)
    after = torch.cat([p.grad.flatten() for p in parameters])
    if before.norm() <= bound - 1e-5:
        assert torch.equal(after, before)
    else:
        assert float(after.norm()) == pytest.approx(min(bound, float(before.norm())), rel=1e-4)
        torch.testing.assert_close(after / after.norm(), before / before.norm())


@few
@given(seed=seeds, shape=shapes, size=st.floats(1e-3, 1e3), scale=st.floats(0.1, 10))
def test_no_unit_gets_more_than_its_share(seed, shape, size, scale):
    p = parameter(shape, seed, size=size)
    before = p.grad.clone()
    after = transformed("adaptive_grad_clip", p, clipping=0.1).clone()
    wide = sum(n > 1 for n in shape) > 1
    units = [t.flatten(1) if wide else t.reshape(1, -1) for t in (p.detach(), before, after)]
    for w, g, new in zip(*units, strict=True):
        bound = 0.1 * max(float(w.norm()), 1e-3)
        assert float(new.norm()) <= bound * (1 + 1e-9)
        if g.norm() < bound:
            assert torch.equal(new, g)
    # scaling weights and gradients alike scales the result
    other = nn.Parameter(scale * p.detach())
    other.role, other.grad = "hidden", scale * before
    if min(float(w.norm()) for w in units[0]) * min(scale, 1) > 1e-3:
        torch.testing.assert_close(
            transformed("adaptive_grad_clip", other, clipping=0.1), scale * after
        )


def test_the_output_layer_is_not_clipped():
    p = parameter((4, 5), 0, role="head", size=1e6)
    before = p.grad.clone()
    assert torch.equal(transformed("adaptive_grad_clip", p), before)


@few
@given(seed=seeds, shape=shapes, of=st.sampled_from(["gradient", "update"]))
def test_centralized_steps_keep_the_mean_of_every_unit(seed, shape, of):
    p = parameter(shape, seed)
    before = p.grad.clone()
    component = build("gradient_centralization", of=of)
    delta = p.grad.clone()
    with torch.no_grad():
        component.gradients([p])
        component.update([p], [delta])
    centered, other = (p.grad, delta) if of == "gradient" else (delta, p.grad)
    assert torch.equal(other, before)
    if len(shape) < 2:
        assert torch.equal(centered, before)
    else:
        assert float(centered.flatten(1).mean(1).abs().max()) < 1e-12


@few
@given(seed=seeds, shape=shapes, scale=st.floats(0.01, 100))
def test_orthogonal_gradients(seed, shape, scale):
    p = parameter(shape, seed)
    before = p.grad.clone()
    after = transformed("perp_grad", p, rescale=True).clone()
    if p.numel() == 1:
        assert torch.equal(after, before)
        return
    w = p.detach()
    assert abs(float((after * w).sum())) < 1e-9
    assert float(after.norm()) == pytest.approx(float(before.norm()))
    # descent cannot shrink the weights
    assert float((w - 0.1 * after).norm()) >= float(w.norm()) * (1 - 1e-12)
    # only the direction of the weights counts
    p.data, p.grad = scale * w, before.clone()
    torch.testing.assert_close(transformed("perp_grad", p, rescale=True), after)


def test_zero_weights_keep_their_gradient():
    p = parameter((4, 3), 1)
    p.data.zero_()
    before = p.grad.clone()
    torch.testing.assert_close(transformed("perp_grad", p), before)


@pytest.mark.parametrize("amplification", [0.5, 5.0])
def test_a_constant_gradient_is_amplified_once_the_window_is_full(amplification):
    component = build("grokfast_ma", window=3, amplification=amplification)
    p = parameter((2,), 0)
    constant = p.grad.clone()
    factors = []
    for _ in range(6):
        p.grad = constant.clone()
        with torch.no_grad():
            component.gradients([p])
        factors.append(float((p.grad / constant).mean()))
    assert factors == pytest.approx([1, 1] + [1 + amplification] * 4)


@few
@given(seed=seeds, keep=st.floats(0.01, 1), of=st.sampled_from(["tensor", "all"]))
def test_the_largest_entries_are_kept(seed, keep, of):
    parameters = [parameter((4, 5), seed), parameter((7,), seed + 1, size=10)]
    before = [p.grad.clone() for p in parameters]
    with torch.no_grad():
        build("gmt", keep=keep, of=of).gradients(parameters)
    pairs = list(zip(before, [p.grad for p in parameters], strict=True))
    if of == "all":
        pairs = [tuple(torch.cat([x.flatten() for x in some]) for some in zip(*pairs, strict=True))]
    for old, new in pairs:
        kept = new != 0
        assert int(kept.sum()) == max(1, round(keep * old.numel()))
        assert torch.equal(new[kept], old[kept])
        if (~kept).any():
            assert old[~kept].abs().max() <= old[kept].abs().min()


# -- evaluations elsewhere ------------------------------------------------------------------------


@few
@given(seed=seeds)
def test_the_ascent_of_asam_does_not_depend_on_the_scale_of_weights(seed):
    generator = torch.Generator().manual_seed(seed)
    scale = torch.rand(4, 3, generator=generator, dtype=torch.float64) + 0.5
    points = []
    for factor in (torch.ones_like(scale), scale):
        p = parameter((4, 3), seed)
        p.data = p.data * factor
        seen = []

        def evaluate(p=p, factor=factor, seen=seen):
            effective = p / factor
            seen.append(effective.detach().clone())
            p.grad = None
            loss = (effective.sin() * effective).sum()
            loss.backward()
            return loss.detach()

        build("asam", rho=0.3, eta=0.0).evaluate(evaluate, [p])
        points.append(seen)
    for one, other in zip(*points, strict=True):
        torch.testing.assert_close(one, other)
    assert not torch.allclose(points[0][0], points[0][1])


def test_weights_come_back_when_an_evaluation_ends_the_trial():
    p = parameter((3,), 0)
    before, calls = p.detach().clone(), []

    def evaluate():
        calls.append(p.detach().clone())
        if len(calls) == 2:
            raise RuntimeError
        return torch.zeros(())

    with pytest.raises(RuntimeError):
        build("sam", rho=1.0).evaluate(evaluate, [p])
    assert not torch.equal(calls[1], before)
    assert torch.equal(p.detach(), before)


def test_the_first_step_of_xgrad_predicts_nothing():
    found, plain = trajectory("xgrad", {"s": 3}).weights, without().weights
    assert all((a == b).all() for a, b in zip(found[0], plain[0], strict=True))
    assert any((a != b).any() for a, b in zip(found[1], plain[1], strict=True))


def test_a_prediction_follows_the_learning_rate():
    component = build("xgrad", s=2)
    p = parameter((3,), 0)
    weight, seen = p.detach().clone(), []
    component.lr_factor = 1.0
    component.update([p], [torch.ones_like(weight)])
    component.lr_factor = 0.5
    component.evaluate(lambda: seen.append(p.detach().clone()) or torch.zeros(()), [p])
    torch.testing.assert_close(seen[0], weight + 2 * 0.5)
    assert torch.equal(p.detach(), weight)


@pytest.mark.parametrize("stochastic", [False, True])
def test_binary_weights(stochastic):
    steps, model, _ = stepping("binaryconnect", {"stochastic": stochastic})
    sizes = {id(p): (1.5 / sum(p.shape)) ** 0.5 for p in model.parameters() if p.ndim == 2}
    seen = []
    model.register_forward_hook(lambda *_: seen.append(snapshot(model)))
    for _ in range(5):
        steps.take(0.0)
        steps.take_average()
    for forward in seen:
        for p, weight in zip(model.parameters(), forward, strict=True):
            if id(p) in sizes:
                assert torch.equal(weight.abs(), torch.full_like(weight, sizes[id(p)]))
    for name, p in model.named_parameters():
        if id(p) in sizes:
            assert p.abs().max() <= sizes[id(p)]
            shown = steps.average[name]
            assert torch.equal(shown.abs() == sizes[id(p)], torch.ones_like(shown).bool()) != (
                stochastic
            )


# -- updates and what follows them ----------------------------------------------------------------


@few
@given(seed=seeds, scale=st.sampled_from(["count", "mean"]))
def test_no_cautious_coordinate_points_up_the_gradient(seed, scale):
    component = build("cautious", scale=scale)
    component.objective = make_objective(small_model())
    component.objective.called = True
    p = parameter((6, 7), seed)
    sign = parameter((6, 7), seed + 1).detach().sign()
    delta = sign.clone()
    component.update([p], [delta])
    assert float((delta * p.grad).max()) <= 0
    # the sum of the sizes is about that of the whole update, at which the factor aims
    ones = int((sign * p.grad < 0).sum())
    total = sign.numel() * (ones / (ones + 1) if scale == "count" else 1)
    assert float(delta.abs().sum()) == pytest.approx(total)


def test_cautious_without_agreement_and_without_gradient():
    for scale in ("count", "mean"):
        component = build("cautious", scale=scale)
        component.objective = make_objective(small_model())
        component.objective.called = True
        p, unused = parameter((3,), 0), nn.Parameter(torch.ones(2))
        deltas = [p.grad.clone(), torch.ones(2)]
        component.update([p, unused], deltas)
        assert torch.equal(deltas[0], torch.zeros(3, dtype=torch.float64))
        assert torch.equal(deltas[1], torch.ones(2))


def test_signs_are_kept():
    steps, model, _ = stepping("frozen_polarity", {"magnitude": 1e-3}, ("sgd", {"lr": 3.0}))
    signs = [p.detach().sign() for p in model.parameters() if p.ndim > 1]
    touched = 0
    for _ in range(10):
        steps.take(0.0)
        now = [p.detach() for p in model.parameters() if p.ndim > 1]
        assert all(torch.equal(w.sign(), sign) for w, sign in zip(now, signs, strict=True))
        touched += sum(int((w.abs() == 1e-3).sum()) for w in now)
    assert touched


@pytest.mark.parametrize("under", [SGD, ADAMW, ("muon", {}), ("lion", {})])
def test_a_frozen_matrix_stays_to_the_bit(under):
    h = {"threshold": 1e9, "grace": 0.5}
    found = trajectory("grades", h, under).weights
    plain = without(under).weights
    hidden = 0  # the first layer's matrix
    for t in range(1, 25):
        same = (found[t][hidden] == found[t - 1][hidden]).all()
        assert same == (t >= 13), t
    assert (found[11][hidden] == plain[11][hidden]).all()
    assert (found[24][2] != found[23][2]).any(), "the head is never frozen"


def test_frozen_matrices_are_skipped_by_what_reads_gradients():
    names = [("optimizer", "adamw"), ("regularizer", "grades"), ("regularizer", "cautious")]
    chosen = {name: dict(registry.get(kind, name).defaults) for kind, name in names}
    chosen["grades"].update(threshold=1e9, grace=0.0)
    setting = network({}, ADAMW)
    found = take(setting, names, chosen, nn.functional.cross_entropy)
    assert (found.weights[-1][0] == setting.weights[0]).all()
    assert (found.weights[-1][2] != setting.weights[2]).any()


@pytest.mark.parametrize("under", [SGD, ADAMW])
def test_norms_stay_after_the_free_phase(under):
    found = trajectory("lawn", {"free": 0.4}, under)
    for i in (0, 2):  # the matrices
        norms = [torch.tensor(w[i]).norm().item() for w in found.weights]
        assert norms[9:] == pytest.approx([norms[9]] * 16, rel=1e-12)
        assert len(set(norms[:10])) == 10
    first, last = found.weights[9][0], found.weights[-1][0]
    assert ((first - last) ** 2).sum() > 1e-6


def test_decay_does_nothing_to_a_held_norm():
    runs = [
        trajectory("lawn", {"free": 0.0}, ("adamw", {"lr": 0.01, "weight_decay": decay})).weights
        for decay in (0.0, 0.5)
    ]
    # biases are decayed: they change the gradients, so that only the first step can be compared
    for i in (0, 2):
        torch.testing.assert_close(torch.tensor(runs[0][0][i]), torch.tensor(runs[1][0][i]))


def test_grown_matrices_are_scaled_back():
    under = ("sgd", {"lr": 2.0})
    steps, model, _ = stepping("tvr", {"target": 0.7, "interval": 2}, under)
    matrix = next(model.parameters())
    target = 0.7 * float(matrix.detach().std())
    for t in range(1, 11):
        steps.take(0.0)
        if t % 2 == 0:
            assert float(matrix.detach().std()) <= 1.2 * target * (1 + 1e-9)


# -- classes and parts of a batch -----------------------------------------------------------------


def evaluated(name, model, batch, **changes):
    component = build(name, **changes)
    component.attach(model, make_info())
    objective = make_objective(model, batch, regularizers=[component])
    loss, spent = objective(), objective.spent
    expected = nn.functional.cross_entropy(model(batch[0]), batch[1])
    torch.testing.assert_close(loss, expected.detach())
    return torch.cat([p.grad.flatten() for p in model.parameters()]), spent


@few
@given(seed=seeds)
def test_copies_of_a_class_do_not_count_more(seed):
    inputs, targets = small_batch(seed)
    model = small_model(seed)
    rare = targets == targets[0]
    inputs_too = torch.cat([inputs, inputs[rare], inputs[rare]])
    targets_too = torch.cat([targets, targets[rare], targets[rare]])
    found, _ = evaluated("pcngd", model, (inputs, targets))
    other, _ = evaluated("pcngd", model, (inputs_too, targets_too))
    torch.testing.assert_close(found, other)
    assert float(found.norm()) <= len(targets.unique()) + 1e-9


@few
@given(seed=seeds)
def test_a_batch_with_the_shares_of_the_data_has_nothing_to_correct(seed):
    batch, model = small_batch(seed), small_model(seed)
    component = build("discover_multimomentum", decay=0.7)
    component.attach(model, make_info())
    objective = make_objective(model, batch, regularizers=[component])
    for _ in range(4):
        objective()
        found = [p.grad for p in model.parameters()]
        for a, b in zip(found, gradients_of(model, batch), strict=True):
            torch.testing.assert_close(a, b)
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(0.3 * p.grad)


@few
@given(seed=seeds)
def test_one_part_of_three_cannot_decide(seed):
    inputs, targets = small_batch(seed)
    model = small_model(seed)
    wild = torch.cat([inputs[:8], 1e3 * inputs[8:]])
    found, spent = evaluated("rm3", model, (wild, targets))
    clean = [
        torch.cat([g.flatten() for g in gradients_of(model, (wild[part], targets[part]))])
        for part in (slice(0, 4), slice(4, 8))
    ]
    low, high = torch.minimum(*clean), torch.maximum(*clean)
    assert bool(((found >= low - 1e-12) & (found <= high + 1e-12)).all())
    assert spent == len(inputs)


def test_equal_parts_have_the_gradient_of_the_batch():
    inputs, targets = (x[:4].repeat(3, *[1] * (x.ndim - 1)) for x in small_batch())
    model = small_model()
    found, _ = evaluated("rm3", model, (inputs, targets))
    expected = torch.cat([g.flatten() for g in gradients_of(model, (inputs, targets))])
    torch.testing.assert_close(found, expected)


@few
@given(seed=seeds, strength=st.floats(0.01, 10))
def test_first_layer_as_an_embedding(seed, strength):
    """Inputs that are one-hot give every column its gradient over its frequency."""
    columns = torch.tensor([0, 0, 0, 1, 2, 2, 3, 4])
    inputs = torch.eye(5, dtype=torch.float64)[columns]
    targets = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    model = small_model(seed)
    component = build("tract", strength=strength)
    objective = make_objective(model, (inputs, targets), regularizers=[component])
    component.start(model, objective)
    objective()
    plain = gradients_of(model, (inputs, targets))
    frequency = inputs.mean(0)
    first = next(model.parameters())
    torch.testing.assert_close(first.grad, plain[0] / (frequency + strength))
    for p, g in zip(list(model.parameters())[1:], plain[1:], strict=True):
        assert torch.equal(p.grad, g)


def test_tract_in_half_precision():
    model = small_model().bfloat16()
    inputs, targets = small_batch()
    component = build("tract")
    objective = make_objective(model, (inputs.bfloat16(), targets), regularizers=[component])
    component.start(model, objective)
    objective()
    assert next(model.parameters()).grad.dtype == torch.bfloat16


# -- masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("under", [SGD, ADAMW])
def test_masked_weights_stay_to_the_bit(under):
    steps, model, _ = stepping("fish_mask", {"keep": 0.6, "samples": 4}, under)
    first = snapshot(model)
    for _ in range(4):
        steps.take(0.0)
    moved = [(p != old).sum().item() for p, old in zip(model.parameters(), first, strict=True)]
    total = sum(w.numel() for w in first)
    assert moved[2:] == [18, 3], "the output layer is trained"
    assert sum(moved) <= int(0.6 * total)
    assert sum(moved[:2]) >= int(0.6 * total) - 21 - 3


def test_a_new_task_gets_a_new_mask():
    steps, *_ = stepping("fish_mask", {"keep": 0.5, "samples": 4})
    component = steps._parts.regularizers[0]
    steps.take(0.0)
    before = {p: mask.clone() for p, mask in component._masks.items()}
    steps.take(0.0)
    assert all(torch.equal(component._masks[p], before[p]) for p in before)
    steps.change_task(1)
    steps.take(0.0)
    assert not all(torch.equal(component._masks[p], before[p]) for p in before)


# -- workers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("under", [SGD, ADAMW, ("muon", {})])
def test_workers_meet_and_keep_their_own_state(under):
    steps, model, optimizer = stepping("local_sgd", {"workers": 3, "local_steps": 2}, under)
    component = steps._parts.regularizers[0]
    for t in range(1, 13):
        steps.take(0.0)
        steps.take_average()
        mean = list(steps.average.values())
        close = all(
            torch.allclose(a, b, rtol=0, atol=1e-14)
            for weights in component._weights
            for a, b in zip(weights, mean, strict=True)
        )
        assert close == (t % 6 == 0), t
    p = next(model.parameters())
    held = [state[p] for state in component._states]
    buffers = [next(v for v in s.values() if getattr(v, "ndim", 0) == 2) for s in held]
    assert not torch.equal(buffers[0], buffers[1])
    assert not torch.equal(buffers[1], buffers[2])
    assert optimizer.state[p] is held[0], "the first worker's turn"


def test_a_single_step_between_meetings_is_a_larger_batch():
    """With SGD and one local step, the mean moves by the mean of the gradients."""
    under = ("sgd", {"lr": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0})
    steps, model, _ = stepping("local_sgd", {"workers": 2, "local_steps": 1}, under)
    weights = snapshot(model)
    reference = small_model()
    for t in range(0, 6, 2):
        steps.take(0.0)
        steps.take(0.0)
        pairs = zip(
            *(gradients_of(reference, small_batch((t + k) % 5)) for k in (0, 1)), strict=True
        )
        with torch.no_grad():
            for p, (a, b) in zip(reference.parameters(), pairs, strict=True):
                p.sub_(0.1 * (a + b) / 2)
        for p, q in zip(model.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(p.detach(), q.detach())
    assert not torch.equal(weights[0], next(model.parameters()).detach())


# -- adaptive braking -----------------------------------------------------------------------------


def braking(parameters, rho=1.0):
    component = registry.get("optimizer", "adaptive_braking")
    return component.build(parameters, **{**component.defaults, "rho": rho, "weight_decay": 0.0})


@few
@given(seed=seeds)
def test_a_gradient_along_the_velocity_is_ignored_at_rho_1(seed):
    p = parameter((3, 4), seed)
    gradient = p.grad.clone()
    optimizer = braking([p])
    optimizer.step()
    velocity = optimizer.state[p]["velocity"].clone()
    torch.testing.assert_close(velocity, gradient)
    p.grad = 7 * gradient
    optimizer.step()
    torch.testing.assert_close(optimizer.state[p]["velocity"], 0.9 * velocity)
    p.grad = -gradient
    optimizer.step()  # against it: twice
    torch.testing.assert_close(optimizer.state[p]["velocity"], 0.81 * velocity - 2 * gradient)


def test_braking_continues_from_its_state():
    def run(parameters, optimizer, start, end):
        for t in range(start, end):
            for i, p in enumerate(parameters):
                p.grad = parameter(p.shape, 10 * t + i).grad
            optimizer.step()

    whole = [parameter((3, 2), 0), parameter((), 1)]
    optimizer = braking(whole)
    run(whole, optimizer, 0, 4)
    parts = [nn.Parameter(p.detach().clone()) for p in whole]
    other = braking(parts)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(whole, optimizer, 4, 8)
    run(parts, other, 4, 8)
    assert all(torch.equal(p, q) for p, q in zip(whole, parts, strict=True))


def test_braking_leaves_unused_parameters_alone():
    unused = nn.Parameter(torch.ones(3))
    optimizer = braking([unused])
    optimizer.step()
    assert torch.equal(unused, torch.ones(3))
    assert not optimizer.state


# -- refusals and models of other kinds -----------------------------------------------------------


def vectors():
    """A model without any matrix."""
    model = nn.LayerNorm(5).double()
    describe_parameters(model)
    return model


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("binaryconnect", "matrices"),
        ("frozen_polarity", "matrices"),
        ("grades", "matrices"),
        ("tvr", "matrices"),
        ("tract", "linear"),
    ],
)
def test_models_without_a_place_for_the_method_are_refused(name, reason):
    component, model = build(name), vectors()
    objective = make_objective(model, regularizers=[component])
    with pytest.raises(NotApplicable, match=reason):
        component.start(model, objective)


def test_tasks_that_do_not_fit_are_refused():
    for name, changes, reason in [
        ("tract", {"inputs": "tokens"}, "embedding"),
        ("rm3", {"batch_size": 2}, "fewer"),
        ("pcngd", {"classes": None}, "classes"),
        ("discover_multimomentum", {"classes": None}, "classes"),
    ]:
        with pytest.raises(NotApplicable, match=reason):
            build(name).attach(small_model(), dataclasses.replace(make_info(), **changes))


def run_short(task, name, share):
    method = (("optimizer", "adamw"), ("regularizer", name))
    chosen = {n: registry.get(kind, n).defaults for kind, n in method}
    return run_trial(Trial(task, method, chosen, 0, 3, "evaluation", share)).run


@pytest.mark.parametrize("name", ["asam", "xgrad", "rm3", "pcngd", "binaryconnect", "local_sgd"])
def test_under_batch_norm(name):
    run = run_short("digits_batchnorm", name, 0.03)
    assert run.status == "completed", run.reason


@pytest.mark.parametrize("name", ["fish_mask", "local_sgd", "lawn", "grades", "tract"])
def test_on_a_stream(name):
    run = run_short("split_digits_task", name, 0.1)
    assert run.status == "completed", run.reason
