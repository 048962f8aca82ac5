"""What the objective answers, and what it leaves alone."""

import math

import pytest
import torch
from torch import nn

from suite import NotApplicable, Regularizer
from tests.objectives import (
    EXAMPLES,
    FEATURES,
    gradients_of,
    make_objective,
    small_batch,
    small_model,
    snapshot,
    tangent_for,
)


def assert_equal(actual, expected, atol=1e-12):
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=atol)


def moved(model, tangent, distance):
    """The same model with weights moved along a tangent."""
    other = small_model()
    with torch.no_grad():
        for q, p, t in zip(other.parameters(), model.parameters(), tangent, strict=True):
            q.copy_(p + distance * t)
    return other


class SquaredNorm(Regularizer):
    def penalty(self, model):
        return 0.1 * sum((p**2).sum() for p in model.parameters())


# -- the closure ----------------------------------------------------------------------------------


def test_calling_it_returns_the_loss_and_leaves_gradients():
    model = small_model()
    objective = make_objective(model)
    loss = objective()
    inputs, targets = small_batch()
    expected = nn.functional.cross_entropy(model(inputs), targets)
    torch.testing.assert_close(loss, expected.detach())
    assert not loss.requires_grad
    assert_equal([p.grad for p in model.parameters()], gradients_of(model))


def test_gradients_do_not_accumulate_over_calls():
    model = small_model()
    objective = make_objective(model)
    objective()
    objective()
    assert_equal([p.grad for p in model.parameters()], gradients_of(model))


def test_it_works_where_gradients_are_switched_off():
    model = small_model()
    with torch.no_grad():
        make_objective(model)()
    assert_equal([p.grad for p in model.parameters()], gradients_of(model))


def test_loss_leaves_gradients_alone():
    model = small_model()
    objective = make_objective(model)
    loss = objective.loss()
    assert not loss.requires_grad
    assert all(p.grad is None for p in model.parameters())
    torch.testing.assert_close(loss, objective(), rtol=0, atol=1e-14)


def test_penalties_are_part_of_the_loss_everywhere():
    model, plain = small_model(), small_model()
    penalty = float(SquaredNorm().penalty(model).detach())
    objective = make_objective(model, regularizers=[SquaredNorm()])
    assert float(objective.loss() - make_objective(plain).loss()) == pytest.approx(penalty)
    objective()
    decayed = [
        g + 0.2 * p.detach() for g, p in zip(gradients_of(plain), plain.parameters(), strict=True)
    ]
    assert_equal([p.grad for p in model.parameters()], decayed)


def test_regularizers_act_in_the_order_given():
    calls = []

    class Noting(Regularizer):
        def __init__(self, name):
            self.name = name

        def criterion(self, outputs, targets, default):
            calls.append(f"{self.name}.criterion")
            return default(outputs, targets)

        def evaluate(self, evaluate, parameters):
            calls.append(f"{self.name}.evaluate")
            return evaluate()

        def gradients(self, parameters):
            assert not torch.is_grad_enabled()
            calls.append(f"{self.name}.gradients")

    make_objective(small_model(), regularizers=[Noting("a"), Noting("b")])()
    assert calls == [
        "b.evaluate",
        "a.evaluate",
        "b.criterion",
        "a.criterion",
        "a.gradients",
        "b.gradients",
    ]


class SumOfScores(Regularizer):
    """A loss of its own, of whatever outputs it is given."""

    def criterion(self, outputs, targets, default):
        return outputs.logsumexp(-1).sum() + targets.sum()


def last_two(outputs, targets):
    """Of three classes, those that are known to be possible, and targets counted among them."""
    return outputs[:, 1:], (targets - 1).clamp(min=0)


def test_only_what_the_task_compares_has_a_gradient():
    model, (inputs, targets) = small_model(), small_batch()
    loss = make_objective(model, restrict=last_two)()
    expected = nn.functional.cross_entropy(*last_two(model(inputs), targets))
    torch.testing.assert_close(loss, expected.detach())
    head = model[-1].weight.grad
    assert float(head[0].abs().max()) == 0.0
    assert float(head[1:].abs().min()) > 0.0


def test_a_regularizer_s_loss_is_of_what_the_task_compares():
    model, (inputs, targets) = small_model(), small_batch()
    objective = make_objective(model, regularizers=[SumOfScores()], restrict=last_two)
    outputs, labels = last_two(model(inputs), targets)
    expected = outputs.logsumexp(-1).sum() + labels.sum()
    torch.testing.assert_close(objective.loss(), expected.detach())


def test_sampled_labels_are_among_the_compared_classes():
    model = small_model()
    objective = make_objective(model, restrict=last_two)
    for _ in range(20):
        objective.sampled_labels()
        assert float(model[-1].bias.grad[0]) == 0.0
        # The gradient of each row of scores sums to zero: all labels were among the two.
        assert float(model[-1].bias.grad.sum()) == pytest.approx(0.0, abs=1e-12)


def test_next_batch_goes_on():
    model = small_model()
    objective = make_objective(model)
    before = objective.batch
    objective.next_batch()
    assert objective.batch[0] is before[0]  # this one repeats a batch; the iterator decides
    assert objective.batch_size == EXAMPLES


@pytest.mark.parametrize("ask", ["jvp", "hvp"])
def test_vectors_in_another_order_than_the_parameters_are_refused(ask):
    objective = make_objective(small_model())
    vectors = tangent_for(small_model())[::-1]
    with pytest.raises(ValueError, match=rf"'{ask}' takes one tensor for each.*\(6, 5\)"):
        getattr(objective, ask)(vectors)


@pytest.mark.parametrize("ask", ["sampled_labels", "per_group_gradients"])
def test_questions_about_classes_are_refused_where_targets_are_numbers(ask):
    batch = torch.randn(EXAMPLES, 5), torch.randn(EXAMPLES)
    objective = make_objective(nn.Linear(5, 1), batch)
    with pytest.raises(NotApplicable, match=rf"'{ask}' needs targets that are classes"):
        getattr(objective, ask)()


# -- sampled labels -------------------------------------------------------------------------------


def test_sampled_labels_are_drawn_from_the_prediction():
    model = small_model()
    objective = make_objective(model)
    inputs, _ = small_batch()
    torch.manual_seed(5)
    labels = torch.multinomial(model(inputs).detach().softmax(-1), 1)[:, 0]
    torch.manual_seed(5)
    loss = objective.sampled_labels()
    assert_equal([p.grad for p in model.parameters()], gradients_of(model, (inputs, labels)))
    torch.testing.assert_close(
        loss, nn.functional.cross_entropy(model(inputs), labels).detach(), rtol=0, atol=1e-12
    )


def test_the_mean_sampled_gradient_is_zero():
    """Bartlett's first identity: the score has expectation zero under the model."""
    torch.manual_seed(0)
    model = small_model()
    objective = make_objective(model)
    mean = torch.zeros(3, dtype=torch.float64)
    single = 0.0
    for _ in range(800):
        objective.sampled_labels()
        mean += model[2].bias.grad / 800
        single = max(single, float(model[2].bias.grad.abs().max()))
    assert float(mean.abs().max()) < single / 10


def test_sampled_labels_for_sequences():
    class Sequences(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, inputs):
            return self.head(inputs)

    model = Sequences()
    inputs, targets = torch.randn(2, 5, 4), torch.zeros(2, 5, dtype=torch.long)
    loss = make_objective(model, (inputs, targets)).sampled_labels()
    assert loss.ndim == 0
    assert model.head.weight.grad.abs().sum() > 0


def test_regularizers_take_no_part_in_sampled_labels():
    model, plain = small_model(), small_model()
    torch.manual_seed(5)
    make_objective(model, regularizers=[SquaredNorm()]).sampled_labels()
    torch.manual_seed(5)
    make_objective(plain).sampled_labels()
    assert_equal([p.grad for p in model.parameters()], [p.grad for p in plain.parameters()], 0)


# -- derivatives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("regularizers", [[], [SquaredNorm()]], ids=["plain", "penalty"])
def test_jvp_against_finite_differences(regularizers):
    model = small_model()
    tangent = tangent_for(model)
    loss, slope = make_objective(model, regularizers=regularizers).jvp(tangent)
    step = 1e-5
    ahead, behind = (
        make_objective(moved(model, tangent, sign * step), regularizers=regularizers).loss()
        for sign in (1, -1)
    )
    assert float(slope) == pytest.approx(float(ahead - behind) / (2 * step), rel=1e-7)
    assert float(loss) == pytest.approx(float(make_objective(model, None, regularizers).loss()))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("regularizers", [[], [SquaredNorm()]], ids=["plain", "penalty"])
def test_hvp_against_finite_differences(regularizers):
    model = small_model()
    vector = tangent_for(model)
    product = make_objective(model, regularizers=regularizers).hvp(vector)
    assert all(p.grad is None for p in model.parameters())
    step = 1e-5
    sides = []
    for sign in (1, -1):
        other = moved(model, vector, sign * step)
        make_objective(other, regularizers=regularizers)()
        sides.append([p.grad for p in other.parameters()])
    expected = [(a - b) / (2 * step) for a, b in zip(*sides, strict=True)]
    assert_equal(product, expected, atol=1e-8)


def test_jvp_and_hvp_leave_weights_and_gradients_as_they_were():
    model = small_model()
    objective = make_objective(model)
    objective()
    weights, gradients = snapshot(model), [p.grad for p in model.parameters()]
    copies = [g.clone() for g in gradients]
    tangent = tangent_for(model)
    objective.jvp(tangent)
    objective.hvp(tangent)
    objective.per_group_gradients()
    objective.loss()
    assert all(p.grad is g for p, g in zip(model.parameters(), gradients, strict=True))
    assert_equal(gradients, copies, 0)
    assert_equal(snapshot(model), weights, 0)


class Attention(nn.Module):
    """Fused attention kernels have neither forward-mode nor second derivatives."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, inputs):
        attended, _ = self.attention(inputs, inputs, inputs, need_weights=False)
        return self.head(attended.mean(1))


def normalized():
    return nn.Sequential(nn.Linear(FEATURES, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


@pytest.mark.parametrize(
    ("model", "inputs"),
    [(normalized, torch.randn(EXAMPLES, FEATURES)), (Attention, torch.randn(EXAMPLES, 3, 4))],
    ids=["batch_norm", "attention"],
)
def test_jvp_and_hvp_agree_with_the_gradient_on_real_layers(model, inputs):
    torch.manual_seed(0)
    model = model().double()
    batch = inputs.double(), torch.arange(EXAMPLES) % 3
    objective = make_objective(model, batch)
    tangent = tangent_for(model)
    _, slope = objective.jvp(tangent)
    objective()
    expected = sum((p.grad * t).sum() for p, t in zip(model.parameters(), tangent, strict=True))
    assert float(slope) == pytest.approx(float(expected), rel=1e-9)
    # Symmetry: u . H v = v . H u
    other = tangent_for(model, seed=4)
    left = sum((u * h).sum() for u, h in zip(other, objective.hvp(tangent), strict=True))
    right = sum((v * h).sum() for v, h in zip(tangent, objective.hvp(other), strict=True))
    assert float(left) == pytest.approx(float(right), rel=1e-8)
    assert math.isfinite(float(left))


def test_parameters_that_the_loss_does_not_use_have_zero_derivatives():
    model = small_model()
    model.unused = nn.Parameter(torch.ones(2, dtype=torch.float64))
    model.forward = lambda inputs: model[2](model[1](model[0](inputs)))
    objective = make_objective(model)
    assert not objective.hvp(tangent_for(model))[0].any()
    only_unused = [torch.zeros_like(p) for p in model.parameters()]
    only_unused[0].fill_(1.0)
    assert next(name for name, _ in model.named_parameters()) == "unused"
    assert float(objective.jvp(only_unused)[1]) == 0.0


def test_group_gradients_are_each_groups_own_mean():
    model = small_model()
    objective = make_objective(model)
    groups = objective.per_group_gradients()
    inputs, targets = small_batch()
    assert sorted(groups) == sorted(set(targets.tolist()))
    for label, gradients in groups.items():
        chosen = targets == label
        assert_equal(gradients, gradients_of(model, (inputs[chosen], targets[chosen])))
    shares = {label: float((targets == label).double().mean()) for label in groups}
    whole = [
        sum(shares[label] * gradients[i] for label, gradients in groups.items())
        for i in range(len(objective.parameters))
    ]
    assert_equal(whole, gradients_of(model))


def test_group_gradients_need_one_target_an_example():
    model = nn.Linear(4, 3)
    batch = torch.randn(2, 5, 4), torch.zeros(2, 5, dtype=torch.long)
    with pytest.raises(ValueError, match=r"one per example.*\(2, 5\)"):
        make_objective(model, batch).per_group_gradients()


@pytest.mark.parametrize(
    "ask",
    [
        lambda objective, v: objective(),
        lambda objective, v: objective.loss(),
        lambda objective, v: objective.jvp(v),
        lambda objective, v: objective.hvp(v),
        lambda objective, v: objective.per_group_gradients(),
    ],
    ids=["gradient", "loss", "jvp", "hvp", "groups"],
)
def test_every_answer_leaves_the_training_loss_for_the_curve(ask):
    model = small_model()
    objective = make_objective(model)
    assert math.isnan(float(objective.last_loss))
    ask(objective, tangent_for(model))
    assert float(objective.last_loss) == pytest.approx(float(make_objective(model).loss()))
