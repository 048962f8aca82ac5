import pytest
import torch
from torch.optim import SGD, AdamW

from suite import Combined
from suite.components import registry
from suite.components.schedule import Schedules
from tests.objectives import gradients_of, make_info, make_objective, small_model, snapshot


def parts(model, momentum=0.9):
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    return SGD(matrices, lr=0.1, momentum=momentum), AdamW(vectors, lr=0.01)


def test_one_evaluation_then_a_step_of_every_part():
    together, apart = small_model(), small_model()
    objective = make_objective(together)
    combined = Combined(*parts(together))
    separate = parts(apart)
    for _ in range(3):
        loss = combined.step(objective)
        for p, gradient in zip(apart.parameters(), gradients_of(apart), strict=True):
            p.grad = gradient
        for optimizer in separate:
            optimizer.step()
    for ours, theirs in zip(together.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)
    assert loss.ndim == 0
    assert objective.spent == 3 * objective.batch_size


def test_a_schedule_on_the_whole_changes_the_parts():
    sgd, adamw = parts(small_model())
    combined = Combined(sgd, adamw)
    Schedules([lambda progress: 1 - progress], combined).apply(0.75)
    assert sgd.param_groups[0]["lr"] == pytest.approx(0.025)
    assert adamw.param_groups[0]["lr"] == pytest.approx(0.0025)
    assert [group["lr"] for group in combined.param_groups] == pytest.approx([0.025, 0.0025])


def test_state_is_shared_so_that_a_regularizer_can_reset_it():
    model = small_model()
    sgd, adamw = parts(model)
    combined = Combined(sgd, adamw)
    combined.step(make_objective(model))
    matrix, vector = model[0].weight, model[0].bias
    assert "momentum_buffer" in combined.state[matrix]
    assert "exp_avg" in combined.state[vector]
    combined.state[matrix]["momentum_buffer"].zero_()
    assert not sgd.state[matrix]["momentum_buffer"].any()


def test_state_from_before_is_kept():
    model = small_model()
    sgd, adamw = parts(model)
    make_objective(model)()
    sgd.step()
    buffer = sgd.state[model[0].weight]["momentum_buffer"]
    assert Combined(sgd, adamw).state[model[0].weight]["momentum_buffer"] is buffer


def test_a_parameter_belongs_to_one_part():
    model = small_model()
    first, second = SGD(model.parameters(), lr=0.1), SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="more than one parameter group"):
        Combined(first, second)


def test_modes_reach_the_parts_that_have_them():
    model = small_model()
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    schedule_free = registry.get("optimizer", "schedule_free").build
    averaging = schedule_free(matrices, lr=0.1, weight_decay=0.0, beta1=0.9, info=make_info())
    combined = Combined(averaging, SGD(vectors, lr=0.1))
    objective = make_objective(model)
    for _ in range(5):
        combined.step(objective)
    training = snapshot(model)
    combined.eval()
    assert not averaging.param_groups[0]["train_mode"]
    moved = [not torch.equal(p, q) for p, q in zip(model.parameters(), training, strict=True)]
    assert moved == [p.ndim == 2 for p in model.parameters()]
    combined.train()
    for p, q in zip(model.parameters(), training, strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-12)


def test_a_loaded_state_is_that_of_the_parts_too():
    def trained(steps, combined, model):
        objective = make_objective(model)
        for _ in range(steps):
            combined.step(objective)
        return snapshot(model)

    whole = small_model()
    expected = trained(5, Combined(*parts(whole)), whole)
    first = small_model()
    combined = Combined(*parts(first))
    trained(2, combined, first)
    second = small_model()
    second.load_state_dict(first.state_dict())
    loaded = Combined(*parts(second))
    loaded.load_state_dict(combined.state_dict())
    found = trained(3, loaded, second)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    loaded.param_groups[0]["lr"] = 0.0
    assert loaded.optimizers[0].param_groups[0]["lr"] == 0.0
