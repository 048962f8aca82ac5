"""What the papers on matrix optimizers promise: orthogonality, invariances, ranks and norms."""

from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from baselines.optimizers.families.matrices import exact
from baselines.optimizers.families.orthogonal import (
    in_batches,
    in_bfloat16,
    newton_schulz,
    orthogonalized,
    polar,
)
from suite.components import method, registry
from suite.components.parameters import describe_parameters, mark_head
from tests.golden.walk import info

NAMES = [
    *("apollo", "asgo", "auon", "dion", "frugal", "galore", "grass", "hyperball"),
    *("kron", "lanton", "modular_norm_descent", "muon", "muon_moonlight", "ne_trust_region"),
    *("normuon", "orthogonal_sgdm", "scion", "shampoo", "soap"),
]
DECOUPLED = [n for n in NAMES if n not in ("hyperball", "orthogonal_sgdm", "scion")]
seeds, sides = st.integers(0, 2**31 - 1), st.integers(2, 9)
few = settings(max_examples=15, deadline=None)


def randn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(n, seed):
    return torch.linalg.qr(randn(n, n, seed=seed)).Q


def well_conditioned(rows, columns, seed):
    values = torch.linspace(1.0, 3.0, min(rows, columns), dtype=torch.float64)
    left, right = rotation(rows, seed)[:, : len(values)], rotation(columns, seed + 1)
    return left * values @ right[: len(values)]


def built(name, model, **changes):
    describe_parameters(model)
    torch.manual_seed(0)
    h = {**registry.get("optimizer", name).defaults, **changes}
    return method.build([("optimizer", name)], {name: h}, model, info()).optimizer


def matrix_model(*shapes, seed=0):
    """Hidden matrices alone."""
    model = nn.ModuleList(nn.Linear(c, r, bias=False) for r, c in shapes).double()
    for i, p in enumerate(model.parameters()):
        p.data = randn(*p.shape, seed=seed + i)
    return model


def walk(name, model, gradients, **changes):
    """The weights after steps along gradients[t][i]."""
    optimizer = built(name, model, **changes)
    found = []
    for some in gradients:
        for p, g in zip(model.parameters(), some, strict=True):
            p.grad = g.clone()
        optimizer.step()
        found.append([p.detach().clone() for p in model.parameters()])
    return found


def first_step(name, g, **changes):
    """The first step of one hidden matrix, divided by the learning rate; nothing decays."""
    model = matrix_model(tuple(g.shape))
    before = model[0].weight.detach().clone()
    h = {**registry.get("optimizer", name).defaults, **changes}
    if "weight_decay" in h:
        changes["weight_decay"] = 0.0
    after = walk(name, model, [[g]], **changes)[0][0]
    return (before - after) / h["lr"]


@few
@given(sides, sides, seeds)
def test_newton_schulz_moves_singular_values_near_one(rows, columns, seed):
    values = torch.linalg.svdvals(newton_schulz(well_conditioned(rows, columns, seed)))
    assert 0.65 < float(values.min()) <= float(values.max()) < 1.25


@few
@given(sides, sides, seeds, st.floats(1e-3, 1e3))
def test_newton_schulz_ignores_scale_and_follows_rotations(rows, columns, seed, scale):
    g = randn(rows, columns, seed=seed)
    left, right = rotation(rows, seed + 1), rotation(columns, seed + 2)
    expected = left @ newton_schulz(g) @ right
    torch.testing.assert_close(newton_schulz(left @ g @ right * scale), expected, rtol=0, atol=1e-2)


@few
@given(sides, sides, seeds)
def test_the_polar_factor_is_orthogonal_where_the_matrix_is_not_zero(rows, columns, seed):
    g = randn(rows, columns, seed=seed)
    g[0] = 0
    u = polar(g)
    torch.testing.assert_close(u[0], torch.zeros_like(u[0]), rtol=0, atol=1e-9)
    values = torch.linalg.svdvals(u)
    rank = min(rows - 1, columns)
    torch.testing.assert_close(values[:rank], torch.ones_like(values[:rank]))
    assert float(values[rank:].abs().sum()) < 1e-9
    # ... and the rest is positive: g = u (u' g)
    torch.testing.assert_close(u @ (u.T @ g), g)


@few
@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=6), seeds)
def test_matrices_of_equal_shape_do_not_mix(shapes, seed):
    tensors = [randn(*shape, seed=seed + i) for i, shape in enumerate(shapes * 2)]
    for tensor, found in zip(tensors, orthogonalized(tensors), strict=True):
        torch.testing.assert_close(found, newton_schulz(tensor))


def test_filters_are_matrices_and_keep_their_shape():
    filters = randn(4, 3, 2, 2, seed=0)
    (found,) = in_batches([filters], polar)
    assert found.shape == filters.shape
    torch.testing.assert_close(found.flatten(1) @ found.flatten(1).T, torch.eye(4).double())


def test_large_matrices_are_multiplied_in_bfloat16_on_a_gpu():
    def matrix(rows, device, dtype=torch.float32):
        return torch.empty(rows, 200, device=device, dtype=dtype)

    assert in_bfloat16(matrix(128, "meta"))  # "meta" stands for a GPU
    assert not in_bfloat16(matrix(127, "meta"))
    assert not in_bfloat16(matrix(128, "meta", torch.cfloat))
    assert not in_bfloat16(matrix(128, "cpu"))
    large = newton_schulz(torch.randn(128, 200))
    assert not torch.equal(large, large.bfloat16().float())


@few
@given(seeds, st.floats(1e-2, 1e2))
@pytest.mark.parametrize(
    "name",
    ["muon", "muon_moonlight", "normuon", "hyperball", "auon", "asgo", "ne_trust_region"],
)
def test_the_scale_of_gradients_does_not_matter(name, seed, scale):
    shapes = (4, 6), (6, 3)
    gradients = [[randn(*s, seed=seed + 9 * t + i) for i, s in enumerate(shapes)] for t in range(3)]
    scaled = [[g * scale for g in some] for some in gradients]
    for some, others in zip(
        walk(name, matrix_model(*shapes), gradients),
        walk(name, matrix_model(*shapes), scaled),
        strict=True,
    ):
        for a, b in zip(some, others, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@few
@given(seeds)
@pytest.mark.parametrize("name", ["muon", "auon", "asgo", "shampoo", "soap"])
def test_steps_turn_with_the_axes(name, seed):
    """Of these a rotation of inputs and outputs changes nothing; AuON sees entries, slightly."""
    left, right = rotation(5, seed), rotation(5, seed + 1)
    changes = {"weight_decay": 0.0}
    model, turned = matrix_model((5, 5)), matrix_model((5, 5))
    gradients = [[randn(5, 5, seed=seed + 2 + t)] for t in range(3)]
    rotated = [[left @ g @ right for g in some] for some in gradients]
    start = model[0].weight.detach().clone()
    a = walk(name, model, gradients, **changes)[-1][0] - start
    b = walk(name, turned, rotated, **changes)[-1][0] - start
    tolerance = 1e-2 if name == "auon" else 1e-5
    assert float((left @ a @ right - b).norm() / a.norm()) < tolerance


@few
@given(st.floats(0.01, 5.0), st.integers(0, 100))
@pytest.mark.parametrize("name", DECOUPLED)
def test_weights_without_gradient_signal_shrink_by_their_factor(name, decay, seed):
    model = matrix_model((4, 6), (5, 3), seed=seed)
    before = [p.detach().clone() for p in model.parameters()]
    zeros = [[torch.zeros_like(w) for w in before]] * 2
    lr = registry.get("optimizer", name).defaults["lr"]
    after = walk(name, model, zeros, weight_decay=decay)[-1]
    for w, found in zip(before, after, strict=True):
        torch.testing.assert_close(found, w * (1 - lr * decay) ** 2)


@few
@given(sides, sides, seeds)
def test_moonlight_steps_have_a_root_mean_square_of_a_fifth(rows, columns, seed):
    step = first_step("muon_moonlight", well_conditioned(rows, columns, seed))
    smaller = min(rows, columns)  # singular values of 0.7 to 1.2
    expected = 0.2 * max(rows, columns) ** 0.5 * smaller**0.5 / (rows * columns) ** 0.5
    assert 0.65 * expected < float(step.square().mean().sqrt()) < 1.25 * expected


@few
@given(st.integers(3, 9), seeds)
def test_normuon_gives_rows_equal_lengths_and_keeps_the_whole(columns, seed):
    g = randn(3, columns, seed=seed)
    lengths = first_step("normuon", g).norm(dim=1)
    torch.testing.assert_close(lengths, lengths.mean().expand(3), rtol=1e-6, atol=0)
    torch.testing.assert_close(lengths.norm(), first_step("muon", g).norm())


@few
@given(seeds, st.sampled_from(["muon", "adam"]), st.floats(1e-3, 0.5))
def test_hyperball_holds_every_norm_and_turns_by_the_rate(seed, base, lr):
    model = matrix_model((4, 6), seed=seed)
    w = model[0].weight.detach().clone()
    gradients = [[randn(4, 6, seed=seed + t)] for t in range(4)]
    for (after,) in walk("hyperball", model, gradients, base=base, lr=lr):
        torch.testing.assert_close(after.norm(), w.norm())
        cosine = float((after * w).sum() / w.norm() ** 2)
        # The farthest turn of a chord of length lr on the unit sphere.
        assert cosine >= (1 - min(lr, 1.0) ** 2) ** 0.5 - 1e-9
        w = after


def test_hyperball_leaves_matrices_that_begin_at_zero_to_adam():
    model = matrix_model((4, 6))
    model[0].weight.data.zero_()
    (after,) = walk("hyperball", model, [[randn(4, 6, seed=1)]], adamw_lr=0.1)[0]
    torch.testing.assert_close(after.abs(), torch.full_like(after, 0.1))


@few
@given(seeds, st.sampled_from([1.0, 0.5, 0.25, 0.125]))
def test_dion_steps_have_the_rank_and_columns_of_length_one(seed, fraction):
    model = matrix_model((6, 8), seed=seed)
    before = model[0].weight.detach().clone()
    g = randn(6, 8, seed=seed + 1)
    optimizer = built("dion", model, rank_fraction=fraction, weight_decay=0.0)
    model[0].weight.grad = g
    optimizer.step()
    step = before - model[0].weight.detach()
    rank = -(-6 * fraction // 1)
    assert int(torch.linalg.matrix_rank(step, rtol=1e-8)) == rank
    state = optimizer.state[model[0].weight]
    torch.testing.assert_close(state["Q"].norm(dim=0), torch.ones(int(rank)).double())
    # Error feedback: what the subspace lacks stays whole, of the rest 95 % stay.
    lost = g - state["momentum"]
    left = torch.linalg.svd(step).U[:, : int(rank)]
    torch.testing.assert_close(lost, 0.05 * left @ left.T @ g, rtol=0, atol=1e-9)


@few
@given(sides, sides, seeds, st.booleans())
def test_auon_stays_inside_the_unit_ball(rows, columns, seed, hybrid):
    step = first_step("auon", randn(rows, columns, seed=seed), hybrid=hybrid)
    longest = max(1.0, rows / columns) ** 0.5
    assert float(torch.linalg.matrix_norm(step, 2)) < longest


@few
@given(sides, sides, seeds)
def test_first_steps_of_shampoo_and_asgo_are_polar_factors(rows, columns, seed):
    """Bernstein and Newhouse 2024: without accumulation Shampoo is U V'."""
    g = 100 * well_conditioned(rows, columns, seed)
    torch.testing.assert_close(first_step("shampoo", g), polar(g), rtol=0, atol=1e-5)
    expected = polar(g) * 0.2 * (rows * columns / min(rows, columns)) ** 0.5
    torch.testing.assert_close(first_step("asgo", g), expected, rtol=0, atol=1e-5)


@few
@given(seeds)
def test_kron_factors_stay_triangular_and_whiten(seed):
    """The fixed point of the fit is P = (E[g g'])^(-1/2): here gradients are ten times too long."""
    model = matrix_model((4, 4))
    optimizer = built("kron", model, lr=0.0)
    p = model[0].weight
    for t in range(150):
        p.grad = 10 * randn(4, 4, seed=seed + t)
        optimizer.step()
    left, right = optimizer.state[p]["Q"]
    assert torch.equal(left, left.triu())
    assert torch.equal(right, right.triu())
    m = optimizer.state[p]["momentum"]
    whitened = left.T @ left @ m @ right.T @ right
    assert 0.2 < float(whitened.square().mean().sqrt()) < 3.0


@few
@given(seeds, st.sampled_from([0.125, 0.25, 0.5]))
def test_galore_steps_lie_in_the_leading_singular_vectors(seed, rank):
    g = randn(8, 10, seed=seed)
    step = first_step("galore", g, rank=rank)
    kept = torch.linalg.svd(g).U[:, : int(8 * rank)]
    torch.testing.assert_close(kept @ (kept.T @ step), step)


@few
@given(seeds)
def test_apollo_scales_channels_and_grows_by_a_hundredth(seed):
    model = matrix_model((4, 9))
    weights = model[0].weight.detach().clone()
    gradients = [[randn(4, 9, seed=seed + t) * 10**t] for t in range(4)]
    lengths = []
    for some, (after,) in zip(
        gradients, walk("apollo", model, gradients, weight_decay=0.0), strict=True
    ):
        step, weights = weights - after, after
        # Each column is a positive multiple of the gradient's.
        cosine = nn.functional.cosine_similarity(step, some[0], dim=0)
        torch.testing.assert_close(cosine, torch.ones_like(cosine))
        lengths.append(float(step.norm()))
    assert all(b <= a * 1.01 * (1 + 1e-9) for a, b in pairwise(lengths))


@few
@given(seeds)
def test_frugal_is_adam_at_full_density_and_signs_elsewhere(seed):
    shapes, h = (4, 6), {"lr": 1e-2, "weight_decay": 0.1}
    gradients = [[randn(*shapes, seed=seed + t)] for t in range(5)]
    whole = walk("frugal", matrix_model(shapes), gradients, density=1.0, **h)
    model = matrix_model(shapes)
    adam = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.999), weight_decay=0.1)
    for some, (found,) in zip(gradients, whole, strict=True):
        model[0].weight.grad = some[0].clone()
        adam.step()
        torch.testing.assert_close(found, model[0].weight.detach())
    step = first_step("frugal", gradients[0][0] * 1e-9, density=0.0)
    # Signs do not depend on the scale; Adam's epsilon shows in the one column that it has.
    assert int((step.abs() > 0.999).all(0).sum()) == 5


@few
@given(seeds, st.sampled_from(["jump", "walk"]))
def test_subspaces_of_grass_stay_orthonormal_and_steps_have_full_rank(seed, subspace):
    model = matrix_model((8, 9))
    optimizer = built("grass", model, subspace=subspace, interval=10, weight_decay=0.0)
    p, bases = model[0].weight, []
    for t in range(25):
        before = p.detach().clone()
        p.grad = randn(8, 9, seed=seed + t)
        optimizer.step()
        bases.append(optimizer.state[p]["S"])
        torch.testing.assert_close(bases[-1].T @ bases[-1], torch.eye(2).double())
        assert int(torch.linalg.matrix_rank(before - p.detach(), rtol=1e-8)) == 8
    cosines = torch.linalg.svdvals(bases[0].T @ bases[12])
    if subspace == "walk":  # the largest angle of a step
        assert float(cosines.min()) == pytest.approx(torch.tensor(0.5).cos().item(), abs=1e-6)
    else:
        assert float(cosines.min()) < 0.99
    assert torch.equal(bases[0], bases[9])


@few
@given(seeds, st.floats(0.01, 1.0))
def test_trust_region_steps_have_the_radius_in_their_norm(seed, lr):
    g = randn(5, 4, seed=seed)
    for norm, length in (
        ("euclidean", lambda s: s.norm()),
        ("max", lambda s: s.abs().max()),
        ("spectral", lambda s: torch.linalg.matrix_norm(s, 2)),
    ):
        found = float(length(first_step("ne_trust_region", g, norm=norm, lr=lr)))
        assert found == pytest.approx(1.0, rel=0.25 if norm == "spectral" else 1e-6)


@few
@given(seeds)
def test_modular_steps_follow_the_dual_norm(seed):
    """Doubled gradients give doubled steps, and with constant size the same ones."""
    g = randn(5, 4, seed=seed)
    dual = first_step("modular_norm_descent", g, size="dual")
    constant = first_step("modular_norm_descent", g, size="constant")
    for size, expected in (("dual", 2 * dual), ("constant", constant)):
        found = first_step("modular_norm_descent", 2 * g, size=size)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(dual, constant * (g * constant).sum(), rtol=1e-5, atol=1e-5)


@few
@given(seeds)
def test_orthogonal_sgdm_has_singular_values_of_one(seed):
    step = first_step("orthogonal_sgdm", randn(5, 4, seed=seed))
    torch.testing.assert_close(torch.linalg.svdvals(step), torch.ones(4).double())


@few
@given(seeds)
def test_lanton_shortens_the_noisier_layer_only(seed):
    model = matrix_model((5, 5), (5, 5), seed=seed)
    calm = well_conditioned(5, 5, seed)
    gradients = [[calm, calm + randn(5, 5, seed=seed + t)] for t in range(6)]
    states = walk("lanton", model, gradients, alpha=1.0, weight_decay=0.0)
    lr = registry.get("optimizer", "lanton").defaults["lr"]
    quiet, noisy = (float((states[-1][i] - states[-2][i]).norm()) for i in (0, 1))
    full = 0.2 * 5**0.5 * float(newton_schulz(calm).norm()) * lr
    assert quiet == pytest.approx(full)
    assert noisy < 0.9 * full


@few
@given(st.integers(0, 50))
def test_scion_stays_in_its_ball(seed):
    """A constrained step is a mean of the weights and of a point of the ball."""
    model = matrix_model((6, 6))
    model[0].weight.data.mul_(1e-3)
    gradients = [[randn(6, 6, seed=seed + t)] for t in range(30)]
    for (after,) in walk("scion", model, gradients, lr=0.3, radius=2.0):
        assert float(torch.linalg.matrix_norm(after, 2)) < 2.0 * 1.25


class Odd(nn.Module):
    """Tensors of no, one, three and four axes, thin and tied matrices, a frozen and an idle one."""

    def __init__(self):
        super().__init__()
        self.scalar = nn.Parameter(torch.tensor(0.5))
        self.embedding = nn.Embedding(7, 4)
        self.conv, self.signal = nn.Conv2d(3, 4, 3), nn.Conv1d(2, 3, 2)
        self.thin, self.flat = nn.Linear(1, 6), nn.Linear(6, 1)
        self.hidden, self.norm = nn.Linear(5, 9), nn.LayerNorm(6)
        self.head = mark_head(nn.Linear(4, 7))
        self.head.weight = self.embedding.weight
        self.frozen, self.idle = nn.Linear(2, 2), nn.Linear(3, 3)
        self.frozen.requires_grad_(False)


@pytest.mark.parametrize("kind", ["float", "bfloat16", "complex"])
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_tensor_is_trained(name, kind):
    torch.manual_seed(0)
    model = Odd()
    if kind == "complex":
        model.wave = nn.Linear(4, 5, dtype=torch.complex64)
    if kind == "bfloat16":
        model = model.bfloat16()
    optimizer = built(name, model, lr=0.05)
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    generator = torch.Generator().manual_seed(1)
    for _ in range(12):
        for key, p in model.named_parameters():
            if p.requires_grad and not key.startswith("idle"):
                drawn = torch.complex64 if p.is_complex() else torch.float32
                p.grad = torch.randn(p.shape, generator=generator, dtype=drawn).to(p.dtype)
        optimizer.step()
    for key, p in model.named_parameters():
        assert p.isfinite().all(), key
        resting = key.startswith(("idle", "frozen"))
        rounded = kind == "bfloat16" and p.ndim < 2  # a small step of a vector may round to none
        if resting:
            assert torch.equal(p, before[key]), key
        elif not rounded:
            assert not torch.equal(p, before[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_infinite_gradients_raise_nothing(name):
    """The loss says that a trial has diverged."""
    model = matrix_model((4, 6), (6, 3))
    huge = [[torch.full_like(p, float("inf")) for p in model.parameters()]] * 12
    walk(name, model, huge)


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_state_continues_to_the_same_bits(name):
    shapes = (4, 6), (6, 3)
    model, other = matrix_model(*shapes), matrix_model(*shapes)
    changes = {"interval": 10} if "interval" in registry.get("optimizer", name).search else {}
    optimizer, copy = built(name, model, **changes), built(name, other, **changes)

    def take(optimizer, model, t):
        torch.manual_seed(t)
        for i, p in enumerate(model.parameters()):
            p.grad = randn(*p.shape, seed=10 * t + i)
        optimizer.step()

    for t in range(13):
        take(optimizer, model, t)
    other.load_state_dict(model.state_dict())
    # Only one part where there are several: how they share a loaded state is Combined's affair.
    source, target = (getattr(o, "optimizers", [o])[0] for o in (optimizer, copy))
    target.load_state_dict(deepcopy(source.state_dict()))
    for o, seen in ((optimizer, model), (copy, other)):
        holders = [o, *getattr(o, "optimizers", [])]
        for holder in holders:
            if hasattr(holder, "_generator"):
                holder._generator.manual_seed(7)
        if hasattr(o, "optimizers"):
            o.state, o.param_groups = o.optimizers[0].state, o.optimizers[0].param_groups
        for t in range(13, 25):
            take(o, seen, t)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)


def test_half_precision_is_decomposed_in_single():
    assert exact(torch.ones(2, dtype=torch.bfloat16)).dtype == torch.float32
    assert exact(torch.ones(2, dtype=torch.float64)).dtype == torch.float64
