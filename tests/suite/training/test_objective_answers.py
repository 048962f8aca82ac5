"""The objective's further answers, each against a plain computation, and what each costs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from suite import NotApplicable, Regularizer
from suite.components.parameters import layers_of
from tests.objectives import (
    EXAMPLES,
    gradients_of,
    make_objective,
    small_batch,
    small_model,
    snapshot,
    tangent_for,
)


def spent_by(objective, use):
    before = objective.spent
    use()
    return (objective.spent - before) / EXAMPLES


def assert_equal(actual, expected, atol=1e-12):
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=atol)


class SquaredNorm(Regularizer):
    def penalty(self, model):
        return 0.1 * sum((p**2).sum() for p in model.parameters())


class Smoothed(Regularizer):
    """The loss of each example, halved, in two ways that must agree."""

    def criterion(self, outputs, targets, default):
        assert default.each(outputs, targets).shape == (len(outputs),)
        return default(outputs, targets) / 2


def test_the_gradient_of_another_batch():
    model, other = small_model(), small_batch(7)
    objective = make_objective(model)
    objective()
    kept = [p.grad.clone() for p in model.parameters()]
    loss, gradient = objective.gradient(other)
    assert_equal(gradient, gradients_of(model, other))
    torch.testing.assert_close(
        loss, nn.functional.cross_entropy(model(other[0]), other[1]).detach()
    )
    assert_equal([p.grad for p in model.parameters()], kept, atol=0)
    assert spent_by(objective, objective.gradient) == 1


def test_the_losses_of_examples():
    model = small_model()
    objective = make_objective(model, regularizers=[Smoothed()])
    inputs, targets = small_batch()
    expected = nn.functional.cross_entropy(model(inputs), targets, reduction="none").detach() / 2
    torch.testing.assert_close(objective.losses(), expected)
    assert spent_by(objective, objective.losses) == pytest.approx(1 / 3)


def test_per_example_gradients_come_in_chunks_without_penalties():
    model = small_model()
    objective = make_objective(model, regularizers=[SquaredNorm()])
    inputs, targets = small_batch()
    chunks = list(objective.per_example_gradients(chunk=5))
    assert [len(chunk[0]) for chunk in chunks] == [5, 5, 2]
    rows = [torch.cat(parts) for parts in zip(*chunks, strict=True)]
    for i in range(EXAMPLES):
        one = gradients_of(model, (inputs[i : i + 1], targets[i : i + 1]))
        assert_equal([row[i] for row in rows], one)
    expected = nn.functional.cross_entropy(model(inputs), targets).detach()
    torch.testing.assert_close(objective.last_loss, expected)
    assert spent_by(objective, lambda: list(objective.per_example_gradients())) == 1


def test_losses_at_several_points():
    model = small_model()
    objective = make_objective(model, regularizers=[SquaredNorm()])
    own = snapshot(model)
    deltas = [tangent_for(model, seed) for seed in range(5)]
    found = objective.losses_at((delta for delta in deltas), chunk=2)
    assert_equal(model.parameters(), own, atol=0)
    for value, delta in zip(found, deltas, strict=True):
        with torch.no_grad():
            for p, old, d in zip(model.parameters(), own, delta, strict=True):
                p.copy_(old + d)
        torch.testing.assert_close(value, objective.loss())
    assert spent_by(objective, lambda: objective.losses_at(deltas)) == pytest.approx(5 / 3)


def test_points_of_other_shapes_or_none_are_refused():
    objective = make_objective(small_model())
    with pytest.raises(ValueError, match="one tensor for each"):
        objective.losses_at([tangent_for(objective.model)[::-1]])
    with pytest.raises(ValueError, match="at least one point"):
        objective.losses_at([])


def test_products_with_one_hessian_share_a_graph():
    model = small_model()
    objective = make_objective(model, regularizers=[SquaredNorm()])
    vectors = [tangent_for(model, seed) for seed in (3, 4)]
    expected = [objective.hvp(vector) for vector in vectors]
    objective()
    whole = [p.grad.clone() for p in model.parameters()]

    def use():
        with objective.hessian() as hessian:
            assert_equal(hessian.gradients, whole)
            for vector, product in zip(vectors, expected, strict=True):
                assert_equal(hessian.product(vector), product)
        with pytest.raises(RuntimeError, match="only inside"):
            hessian.product(vectors[0])

    assert spent_by(objective, use) == 1 + 2 * 2
    assert spent_by(objective, lambda: objective.hvp(vectors[0])) == 3


def test_layers_are_watched():
    model = small_model()
    objective = make_objective(model)
    first, last = objective.layers()
    assert [(layer.name, layer.depth) for layer in (first, last)] == [("0", 0), ("2", 1)]
    assert last.weight is model[2].weight
    assert last.bias is model[2].bias

    def use():
        with objective.watch([first, last]) as seen:
            objective()
        inputs, targets = small_batch()
        torch.testing.assert_close(seen["0"].inputs, inputs)
        outputs = model(inputs).detach()
        torch.testing.assert_close(seen["2"].outputs, outputs)
        expected = (outputs.softmax(-1) - nn.functional.one_hot(targets, 3)) / EXAMPLES
        torch.testing.assert_close(seen["2"].gradients, expected)
        torch.testing.assert_close(seen["2"].gradients.T @ seen["2"].inputs, model[2].weight.grad)

    assert spent_by(objective, use) == 1 + 1, "one for the objective, one for the check itself"
    assert not model[0]._forward_hooks


def test_a_memory_holds_a_uniform_sample_and_is_charged():
    counts = torch.zeros(40)
    for seed in range(300):
        objective = make_objective(small_model())
        memory = objective.memory(8, torch.Generator().manual_seed(seed))
        assert len(memory) == 0
        for first in range(0, 40, 10):
            numbers = torch.arange(first, first + 10)
            memory.add(numbers[:, None].double(), numbers)
        assert len(memory) == 8
        inputs, targets = memory.sample(20)
        assert torch.equal(inputs[:, 0].long(), targets)
        assert len(targets.unique()) == 8
        counts[targets] += 1
    # Each of 40 numbers is kept with chance 1/5: 60 of 300 times, standard deviation 7.
    assert counts.min() > 30
    assert counts.max() < 90
    assert objective._ledger.stored_examples == 8
    # Eight examples of the memory joined the batch of twelve; none of them was used.
    assert spent_by(objective, objective.next_batch) == pytest.approx((EXAMPLES + 8) / 3 / EXAMPLES)


def test_an_empty_memory_is_refused():
    objective = make_objective(small_model())
    with pytest.raises(ValueError, match="empty"):
        objective.memory(3, torch.Generator()).sample(1)
    with pytest.raises(ValueError, match="at least one example"):
        objective.memory(0, torch.Generator())


@pytest.mark.parametrize("use", ["per_example_gradients", "losses_at"])
def test_batch_norm_has_no_loss_of_single_examples(use):
    model = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)).double()
    objective = make_objective(model)
    arguments = {"per_example_gradients": [], "losses_at": [[tangent_for(model)]]}
    with pytest.raises(NotApplicable, match="batch norm"):
        getattr(objective, use)(*arguments[use])


def test_logits_are_transformed_before_every_criterion():
    class Doubled(Regularizer):
        def logits(self, logits):
            return 2 * logits

    model = small_model()
    inputs, targets = small_batch()
    for regularizers in ([Doubled(), Smoothed()], [Smoothed(), Doubled()]):
        objective = make_objective(model, regularizers=regularizers)
        expected = nn.functional.cross_entropy(2 * model(inputs), targets).detach() / 2
        torch.testing.assert_close(objective(), expected)
        torch.testing.assert_close(objective.losses().mean(), expected)


def test_layers_of_reparametrized_modules_have_one_name():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    nn.utils.parametrizations.weight_norm(model[0])
    names = [(layer.name, layer.depth) for layer in layers_of(model)]
    assert names == [("0", 0), ("1", 1)]


def test_a_penalty_on_weights_that_it_kept_is_refused_where_others_pass_through():
    class Kept(Regularizer):
        def __init__(self, parameters):
            self.parameters = list(parameters)

        def penalty(self, model):
            return sum(p.square().sum() for p in self.parameters)

    class Zero(Regularizer):
        def penalty(self, model):
            return 0.0 * sum(p.square().sum() for p in model.parameters())

    model = small_model()
    objective = make_objective(model, regularizers=[Zero(), SquaredNorm()])
    objective.jvp(tangent_for(model))
    for name in ("jvp", "losses_at"):
        objective = make_objective(model, regularizers=[Kept(model.parameters())])
        objective()
        tangent = tangent_for(model)
        with pytest.raises(ValueError, match=r"Kept.penalty does not depend on the model"):
            getattr(objective, name)(tangent if name == "jvp" else [tangent])
