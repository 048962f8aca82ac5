"""What the papers promise of the Adam-like optimizers, on gradients that a test gives."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from suite.components import registry
from suite.components.method import build
from tests.objectives import make_info

ALL = [
    *("adam", "nadam", "adagrad", "rmsprop", "amsgrad", "radam", "adabelief", "adan", "adopt"),
    *("adafactor", "ademamix", "diffgrad", "grams", "came", "adam_mini", "spam", "stable_spam"),
    *("novograd", "mars_adamw", "mars_lion", "mars_shampoo", "opt_amsgrad", "ranger21"),
]
#: no decay at all, or one that is not lr * weight_decay * w
OTHERS = {"adam", "adagrad", "rmsprop", "amsgrad", "adafactor", "diffgrad", "opt_amsgrad"}
OTHERS |= {"adan", "novograd", "ranger21"}
FEW = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 1000)
SHAPES = [(4, 3), (2, 3, 3, 3), (5,), ()]


class Weights(nn.Module):
    def __init__(self, shapes, dtype=torch.float64, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterList(
            torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
            for shape in shapes
        )


class Walk:
    """An optimizer at its defaults on some tensors, and the gradients that it is to see."""

    def __init__(self, name, shapes=SHAPES, dtype=torch.float64, seed=0, steps=100, **changes):
        self.model = Weights(shapes, dtype, seed)
        values = {**registry.get("optimizer", name).defaults, **changes}
        info = make_info(steps=steps)
        self.optimizer = build([("optimizer", name)], {name: values}, self.model, info).optimizer
        self.lr = values["lr"]

    @property
    def weights(self):
        return [p.detach().clone() for p in self.model.parameters()]

    def step(self, gradients):
        """One step; a gradient may be None. Returns how far each tensor has moved."""
        before = self.weights

        def closure():
            for p, g in zip(self.model.parameters(), gradients, strict=True):
                p.grad = None if g is None else g.to(p.dtype).clone()
            return torch.zeros(())

        self.optimizer.step(closure)
        return [b - a for a, b in zip(before, self.weights, strict=True)]


def gradients(seed, shapes=SHAPES, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [
        scale * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    ]


def equal(some, others):
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def assert_near(some, others, tolerance=1e-9):
    for a, b in zip(some, others, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ALL)
def test_a_saved_state_goes_on_to_the_same_bits(name):
    whole, first = Walk(name), Walk(name)
    for t in range(7):
        whole.step(gradients(t))
        first.step(gradients(t))
    second = Walk(name, seed=1)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    for p, w in zip(second.model.parameters(), first.weights, strict=True):
        p.data.copy_(w)
    for t in range(7, 12):
        whole.step(gradients(t))
        second.step(gradients(t))
    assert equal(whole.weights, second.weights)


def test_schedule_free_goes_on_from_a_state_that_was_saved_while_it_evaluated():
    whole, first = Walk("schedule_free"), Walk("schedule_free")
    for t in range(7):
        whole.step(gradients(t))
        first.step(gradients(t))
    first.optimizer.eval()
    evaluated = first.weights
    second = Walk("schedule_free", seed=1)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    for p, w in zip(second.model.parameters(), evaluated, strict=True):
        p.data.copy_(w)
    second.optimizer.train()
    for t in range(7, 12):
        whole.step(gradients(t))
        second.step(gradients(t))
    assert_near(whole.weights, second.weights, 1e-12)


#: whose rule is the same for a complex number as for two real ones
PAIRS = ["adam", "nadam", "amsgrad", "adabelief", "adan", "adopt", "ademamix", "diffgrad", "grams"]


@pytest.mark.parametrize("name", PAIRS)
def test_a_complex_weight_is_two_real_ones(name):
    real, complex_ = Walk(name, [(4, 3, 2)]), Walk(name, [(4, 3)], torch.complex128)
    (p,) = complex_.model.parameters()
    p.data.copy_(torch.view_as_complex(real.weights[0]))
    for t in range(4):
        (g,) = gradients(t, [(4, 3, 2)])
        real.step([g])
        complex_.step([torch.view_as_complex(g)])
    assert_near([torch.view_as_real(w) for w in complex_.weights], real.weights, 1e-12)


@pytest.mark.parametrize("name", ALL)
def test_a_tensor_without_a_gradient_stays_and_the_others_do_not_notice(name):
    alone, beside = Walk(name, SHAPES[:3]), Walk(name)
    for t in range(4):
        some = gradients(t)
        alone.step(some[:3])
        assert not beside.step([*some[:3], None])[3].any()
    assert equal(alone.weights, beside.weights[:3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ALL)
def test_every_shape_and_precision_moves_and_stays_finite(name, dtype):
    walk = Walk(name, [*SHAPES, (1, 1), (1,), (3, 1, 2)], dtype, lr=0.3)
    before = walk.weights
    for t in range(6):
        walk.step(gradients(t, [*SHAPES, (1, 1), (1,), (3, 1, 2)]))
    for a, b in zip(before, walk.weights, strict=True):
        assert b.dtype == dtype
        assert b.isfinite().all()
        # centralized gradients of rows of length 1 are 0
        assert not torch.equal(a, b) or (name == "ranger21" and a.shape == (1, 1))


@pytest.mark.parametrize("name", ALL)
def test_gradients_of_zero_leave_numbers(name):
    walk = Walk(name)
    for t in range(4):
        some = [torch.zeros_like(g) for g in gradients(t)] if t < 2 else gradients(t)
        walk.step(some)
    assert all(w.isfinite().all() for w in walk.weights)


@pytest.mark.parametrize("name", sorted(set(ALL) - OTHERS))
@given(decay=st.floats(0.01, 5.0), lr=st.floats(1e-4, 0.1))
@settings(max_examples=5, deadline=None)
def test_decoupled_decay_shrinks_a_weight_without_a_use_by_its_factor(name, decay, lr):
    rates = {"adamw_lr": lr} if name == "mars_shampoo" else {}
    walk = Walk(name, lr=lr, weight_decay=decay, **rates)
    start = walk.weights
    for _ in range(3):
        walk.step([torch.zeros_like(g) for g in gradients(0)])
    assert_near(walk.weights, [w * (1 - lr * decay) ** 3 for w in start], 1e-12)
    assert all(group["decoupled_weight_decay"] for group in walk.optimizer.param_groups)


@pytest.mark.parametrize("name", sorted(set(ALL) - OTHERS))
def test_decoupled_decay_is_all_that_decay_adds_to_a_step(name):
    """So hooks of the update get the same step with it and without."""
    plain, decayed = (Walk(name, weight_decay=decay) for decay in (0.0, 2.0))
    start = plain.weights
    rates = {p: g["lr"] for g in decayed.optimizer.param_groups for p in g["params"]}
    shares = [2.0 * rates[p] for p in decayed.model.parameters()]
    moved = decayed.step(gradients(0))
    expected = plain.step(gradients(0))
    rest = [a + share * w for a, share, w in zip(moved, shares, start, strict=True)]
    assert_near(rest, expected, 1e-12)


def test_adan_divides_where_others_subtract():
    walk = Walk("adan", lr=0.1, weight_decay=2.0)
    start = walk.weights
    walk.step([torch.zeros_like(g) for g in gradients(0)])
    assert_near(walk.weights, [w / 1.2 for w in start], 1e-12)


SCALE_FREE = ["adam", "nadam", "adagrad", "rmsprop", "amsgrad", "adan", "adopt", "adafactor"]
SCALE_FREE += ["ademamix", "grams", "adam_mini", "spam", "stable_spam", "novograd"]


@pytest.mark.parametrize("name", SCALE_FREE)
@given(seed=seeds, power=st.integers(0, 6))
@settings(max_examples=5, deadline=None)
def test_the_scale_of_the_loss_does_not_matter(name, seed, power):
    plain, scaled = Walk(name, SHAPES[:3]), Walk(name, SHAPES[:3])
    for t in range(5):
        some = gradients(seed + t, SHAPES[:3], scale=1e4)  # epsilon should not matter
        plain.step(some)
        scaled.step([g * 10.0**power for g in some])
    assert_near(plain.weights, scaled.weights, 1e-4)


@pytest.mark.parametrize("name", ["diffgrad", "radam", "mars_adamw", "ranger21"])
def test_the_scale_of_the_loss_matters_to_these(name):
    """Else the test above would prove nothing."""
    plain, scaled = Walk(name, lr=0.01), Walk(name, lr=0.01)
    for t in range(4):
        plain.step(gradients(t, scale=1e-3))
        scaled.step(gradients(t, scale=1e-1))
    far = [(a - b).abs().max() for a, b in zip(plain.weights, scaled.weights, strict=True)]
    assert max(far) > 1e-4


def rotation(size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0]


@pytest.mark.parametrize("name", ["adam_mini", "novograd"])
@FEW
@given(seed=seeds)
def test_one_rate_a_row_turns_with_the_row(name, seed):
    turn = rotation(3, seed)
    plain, turned = Walk(name, [(4, 3)], lr=0.1), Walk(name, [(4, 3)], lr=0.1)
    next(turned.model.parameters()).data @= turn
    for t in range(5):
        (g,) = gradients(seed + t, [(4, 3)])
        plain.step([g])
        turned.step([g @ turn])
    assert_near([plain.weights[0] @ turn], turned.weights)


def test_adam_itself_does_not_turn():
    turn = rotation(3, 0)
    plain, turned = Walk("adam", [(4, 3)], lr=0.1), Walk("adam", [(4, 3)], lr=0.1)
    next(turned.model.parameters()).data @= turn
    for t in range(5):
        (g,) = gradients(t, [(4, 3)])
        plain.step([g])
        turned.step([g @ turn])
    assert (plain.weights[0] @ turn - turned.weights[0]).abs().max() > 1e-2


@FEW
@given(seed=seeds)
def test_grams_moves_against_the_present_gradient(seed):
    walk = Walk("grams", weight_decay=0.0)
    for t in range(5):
        some = gradients(seed + t)
        for moved, g in zip(walk.step(some), some, strict=True):
            assert torch.equal(moved.sign(), -g.sign())


@FEW
@given(seed=seeds)
def test_diffgrad_takes_between_half_of_adams_step_and_all_of_it(seed):
    slow, adam = Walk("diffgrad"), Walk("adam")
    for t in range(5):
        some = gradients(seed + t)
        for a, b in zip(slow.step(some), adam.step(some), strict=True):
            share = a / b
            assert ((share > 0.5 - 1e-6) & (share < 1 + 1e-6)).all()


def test_diffgrad_halves_the_step_where_gradients_stay_the_same():
    walk = Walk("diffgrad")
    (*_, moved) = (walk.step(gradients(0)) for _ in range(5))
    expected = [-0.5 * walk.lr * g.sign() for g in gradients(0)]
    assert_near(moved, expected, 1e-6)


@FEW
@given(seed=seeds, beta2=st.sampled_from([0.99, 0.999, 0.9999]))
def test_adopt_waits_a_step_and_then_bounds_each_coordinate(seed, beta2):
    walk = Walk("adopt", weight_decay=0.0, beta2=beta2)
    assert not any(moved.any() for moved in walk.step(gradients(seed, scale=1e-4)))
    for t in range(1, 9):
        for moved in walk.step(gradients(seed + t, scale=1e4)):
            assert (moved.abs() <= walk.lr * t**0.25 * (1 + 1e-9)).all()


def test_adopt_bounds_the_second_call_at_1_not_at_the_fourth_root_of_2():
    walk = Walk("adopt", weight_decay=0.0)
    walk.step(gradients(0, scale=1e-4))
    for moved in walk.step(gradients(1, scale=1e4)):
        torch.testing.assert_close(moved.abs(), torch.full_like(moved, 0.1 * walk.lr))


@FEW
@given(seed=seeds)
def test_amsgrads_second_moment_never_falls(seed):
    walk = Walk("amsgrad", beta2=0.99)
    last = None
    for t in range(8):
        walk.step(gradients(seed + t, scale=10.0 ** (-t)))
        now = [s["max_exp_avg_sq"].clone() for s in walk.optimizer.state.values()]
        assert last is None or all((a >= b).all() for a, b in zip(now, last, strict=True))
        last = now


def test_radam_follows_momentum_for_five_steps_and_is_rectified_then():
    walk = Walk("radam", weight_decay=0.0)
    for t in range(1, 9):
        moved = walk.step(gradients(0))
        for m, g in zip(moved, gradients(0), strict=True):
            if t <= 5:
                torch.testing.assert_close(m, -walk.lr * g)
            else:
                assert (m.abs() < 0.2 * walk.lr).all()  # Adam's would be the rate
                assert torch.equal(m.sign(), -g.sign())


def test_adabelief_takes_long_steps_where_gradients_agree():
    """Equation of section 2: in a constant direction s is small, and steps exceed Adam's."""
    belief, adam = Walk("adabelief", weight_decay=0.0), Walk("adam")
    for _ in range(30):
        long, usual = belief.step(gradients(0)), adam.step(gradients(0))
    for a, b in zip(long, usual, strict=True):
        assert (a.abs() > 1.5 * b.abs()).all()


def test_ademamix_without_a_slow_average_is_adamw():
    walk = Walk("ademamix", alpha=0.0, weight_decay=0.3)
    model = Weights(SHAPES)
    adamw = torch.optim.AdamW(model.parameters(), walk.lr, weight_decay=0.3)
    for t in range(6):
        walk.step(gradients(t))
        for p, g in zip(model.parameters(), gradients(t), strict=True):
            p.grad = g
        adamw.step()
    assert_near(walk.weights, [p.detach() for p in model.parameters()], 1e-12)


def test_ademamix_remembers_an_old_gradient_at_the_end_of_its_rise():
    """Both schedules reach their ends with the budget."""
    walk = Walk("ademamix", beta3=0.999, weight_decay=0.0, steps=20)
    for t in range(20):
        walk.step(gradients(0) if t == 19 else [torch.zeros_like(g) for g in gradients(0)])
    state = next(iter(walk.optimizer.state.values()))
    torch.testing.assert_close(state["m2"], (1 - 0.999) * gradients(0)[0])
    early = Walk("ademamix", beta3=0.999, weight_decay=0.0, steps=20)
    early.step(gradients(0))
    state = next(iter(early.optimizer.state.values()))
    # 1/20 of the way from the half-life of 0.9 (6.6 steps) to that of 0.999 (693 steps)
    half_life = 0.95 * math.log(0.5, 0.9) + 0.05 * math.log(0.5, 0.999)
    torch.testing.assert_close(state["m2"], (1 - 0.5 ** (1 / half_life)) * gradients(0)[0])


@FEW
@given(seed=seeds)
def test_factored_moments_are_exact_for_squares_of_rank_one(seed):
    """Then Adafactor's first step is a sign step of the length that its rate says."""
    rows, columns = gradients(seed, [(4, 1), (1, 3)])
    walk = Walk("adafactor", [(4, 3)])
    length = max(1e-3, float(walk.weights[0].square().mean().sqrt())) * walk.lr
    (moved,) = walk.step([rows * columns])
    assert_near([moved], [-length * (rows * columns).sign()], 1e-6)


def test_came_is_factored_as_adafactor_is_and_clipped_to_a_root_mean_square_of_one():
    rows, columns = gradients(3, [(4, 1), (1, 3)])
    walk = Walk("came", [(4, 3)], weight_decay=0.0)
    walk.step([rows * columns])
    state = next(iter(walk.optimizer.state.values()))
    assert_near([state["m"]], [0.1 * (rows * columns).sign()], 1e-6)


@FEW
@given(seed=seeds, spike=st.floats(1e4, 1e12))
def test_spam_does_not_see_how_large_a_spike_is(seed, spike):
    plain, worse = Walk("spam", threshold=100.0), Walk("spam", threshold=100.0)
    for t in range(30):
        some = gradients(seed + t)
        plain.step([1e3 * g.sign() for g in some] if t == 25 else some)
        worse.step([spike * g.sign() for g in some] if t == 25 else some)
    assert_near(plain.weights, worse.weights, 1e-12)


def test_spam_forgets_and_rises_again():
    walk = Walk("spam", interval=50, weight_decay=0.0)
    lengths = [float(walk.step(gradients(0))[0].abs().max()) for _ in range(70)]
    assert lengths[49] < 0.05 * lengths[48]
    assert lengths[49] < lengths[53] < lengths[57] < lengths[61]


def test_stable_spam_gives_every_gradient_the_norm_of_its_history():
    """A gradient a thousand times as long moves the weights no further than the ones before."""
    walk = Walk("stable_spam", [(4, 3)], weight_decay=0.0)
    usual = [walk.step(gradients(t, [(4, 3)]))[0].norm() for t in range(20)]
    assert walk.step(gradients(20, [(4, 3)], scale=1e3))[0].norm() < 2 * max(usual)


@FEW
@given(seed=seeds)
def test_novograds_first_step_has_the_length_of_the_rate(seed):
    walk = Walk("novograd", SHAPES[:3], weight_decay=0.0)
    for moved in walk.step(gradients(seed, SHAPES[:3])):
        assert float(moved.norm()) == pytest.approx(walk.lr)


@FEW
@given(seed=seeds)
def test_mars_shampoo_moves_matrices_by_nearly_orthogonal_ones(seed):
    walk = Walk("mars_shampoo", [(6, 3), (3, 5)], weight_decay=0.0)
    for t in range(3):
        tall, wide = walk.step(gradients(seed + t, [(6, 3), (3, 5)]))
        for moved, factor in ((tall, math.sqrt(2)), (wide, 1.0)):
            values = torch.linalg.svdvals(moved) / (walk.lr * factor)
            assert values.max() < 1.25
            assert values.min() > 0.3


@FEW
@given(seed=seeds)
def test_mars_with_gradients_that_do_not_change_needs_no_correction(seed):
    corrected, plain = (Walk("mars_adamw", gamma=g, weight_decay=0.0) for g in (0.2, 1e-12))
    for _ in range(5):
        corrected.step(gradients(seed))
        plain.step(gradients(seed))
    assert_near(corrected.weights, plain.weights, 1e-9)


@pytest.mark.parametrize("name", ["mars_adamw", "mars_lion", "mars_shampoo"])
def test_mars_clips_to_norm_one(name):
    """Beyond it the scale does not matter, below it does (to Adam's form it then does not)."""
    plain, scaled = Walk(name, SHAPES[:3]), Walk(name, SHAPES[:3])
    for t in range(4):
        plain.step(gradients(t, SHAPES[:3], scale=1e3))
        scaled.step(gradients(t, SHAPES[:3], scale=1e6))
    assert_near(plain.weights, scaled.weights)


def test_opt_amsgrad_expects_where_a_shrinking_sequence_goes():
    """Minimal polynomial extrapolation finds the limit of gradients that converge linearly."""
    walk = Walk("opt_amsgrad", [(4, 3)], history=5)
    limit, rest = gradients(0, [(4, 3)] * 2)
    sequence = [limit + rest * 0.7**t for t in range(5)]
    for g in sequence:
        walk.step([g])
    (state,) = walk.optimizer.state.values()
    root = state["u"].sqrt()
    m = state["m"]
    before = (m - 0.1 * sequence[-1]) / 0.9
    expected = (state["ahead"] * root / walk.lr - 0.9 * before) / 0.1
    assert (expected - limit).abs().max() < 0.2 * (sequence[-1] - limit).abs().max()


def test_ranger21_does_not_see_gradients_beyond_a_hundredth_of_the_weights():
    plain, scaled = Walk("ranger21", lr=0.1), Walk("ranger21", lr=0.1)
    for t in range(6):
        plain.step(gradients(t, scale=1e3))
        scaled.step(gradients(t, scale=1e6))
    assert_near(plain.weights, scaled.weights)


def test_ranger21_moves_little_at_both_ends_of_the_run():
    walk = Walk("ranger21", [(4, 3)], lr=0.1, weight_decay=0.0, steps=40)
    lengths = [float(walk.step(gradients(t, [(4, 3)]))[0].norm()) for t in range(40)]
    middle = sum(lengths[15:25]) / 10
    assert lengths[0] < middle
    assert 0 < lengths[38] < 0.5 * middle
