"""What the objective charges, alone and in whole trials."""

import copy

import pytest
import torch
from torch import nn

from suite import Regularizer
from suite.training.costs import COSTS
from suite.training.loop import run_trial
from suite.training.meter import BudgetSpent, Ledger, meter, unmeter
from suite.training.operations import counter
from suite.training.trial import Trial
from tests.objectives import EXAMPLES, make_objective, small_batch, small_model, tangent_for


@pytest.mark.parametrize(
    ("ask", "cost"),
    [
        (lambda objective, v: objective(), 1),
        (lambda objective, v: objective.loss(), 1 / 3),
        (lambda objective, v: objective.sampled_labels(), 1),
        (lambda objective, v: objective.jvp(v), 1),
        (lambda objective, v: objective.hvp(v), 3),
        (lambda objective, v: objective.per_group_gradients(), 1),
    ],
    ids=["gradient", "loss", "sampled", "jvp", "hvp", "groups"],
)
@pytest.mark.parametrize("grad", [True, False], ids=["grad_on", "grad_off"])
def test_costs(ask, cost, grad):
    model = small_model()
    objective = make_objective(model)
    with torch.set_grad_enabled(grad):
        ask(objective, tangent_for(model))
    assert objective.spent == pytest.approx(cost * EXAMPLES, rel=1e-12)


class OwnForward(Regularizer):
    """Calls the model itself, as consistency and adversarial penalties do."""

    def penalty(self, model):
        inputs, _ = small_batch()
        return (model(inputs[:5]) ** 2).mean()


@pytest.mark.parametrize(
    ("ask", "cost"),
    [
        (lambda objective, v: objective(), "gradient"),
        (lambda objective, v: objective.loss(), "forward"),
        (lambda objective, v: objective.jvp(v), "jvp"),
        (lambda objective, v: objective.hvp(v), "hvp"),
    ],
    ids=["gradient", "loss", "jvp", "hvp"],
)
def test_a_regularizers_own_forward_passes_are_charged(ask, cost):
    model = small_model()
    objective = make_objective(model, regularizers=[OwnForward()])
    ask(objective, tangent_for(model))
    assert objective.spent == pytest.approx(COSTS[cost] * (EXAMPLES + 5), rel=1e-12)


def test_a_copy_of_the_model_is_charged_too_and_computes_with_its_own_weights():
    model = small_model()
    objective = make_objective(model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
        assert (other(small_batch()[0]) == 0).all()
        assert not (model(small_batch()[0]) == 0).any()
    assert objective.spent == pytest.approx(2 * COSTS["forward"] * EXAMPLES)


def test_a_direct_call_of_forward_is_charged_too():
    model = small_model()
    objective = make_objective(model)
    model.forward(small_batch()[0])
    assert objective.spent == EXAMPLES


def test_keyword_inputs_are_charged_too():
    model = nn.Sequential(nn.Linear(5, 3))
    ledger = Ledger(100)
    meter(model, ledger)
    model(input=torch.ones(7, 5))
    assert ledger.spent == 7


def test_a_model_that_is_metered_no_more_is_free():
    model = small_model()
    objective = make_objective(model)
    unmeter(model)
    model(small_batch()[0])
    assert objective.spent == 0


def test_progress_is_the_share_of_the_budget():
    objective = make_objective(small_model(), budget=4 * EXAMPLES)
    assert objective.progress == 0
    objective()
    assert objective.progress == 0.25


def test_a_charge_beyond_the_budget_is_refused_and_so_is_every_later_one():
    objective = make_objective(small_model(), budget=10.5 * EXAMPLES)
    for _ in range(10):
        objective()
    with pytest.raises(BudgetSpent):
        objective()
    assert objective.spent == 10 * EXAMPLES
    with pytest.raises(BudgetSpent):  # though this one would fit
        objective.loss()
    assert objective.spent == 10 * EXAMPLES


def test_a_method_cannot_catch_the_end_of_the_budget_by_accident():
    assert not issubclass(BudgetSpent, Exception)


def test_a_factor_multiplies_every_cost():
    model = small_model()
    objective = make_objective(model)
    objective._ledger.factor = 1.5
    objective()
    assert objective.spent == pytest.approx(1.5 * EXAMPLES)
    objective.hvp(tangent_for(model))
    assert objective.spent == pytest.approx(1.5 * 4 * EXAMPLES)


def test_a_batch_costs_at_least_a_third():
    objective = make_objective(small_model())
    for drawn in range(4):
        assert objective.spent == pytest.approx(drawn * EXAMPLES / 3)
        objective.next_batch()
    objective.loss()
    objective.next_batch()  # that batch is paid
    assert objective.spent == pytest.approx(5 * EXAMPLES / 3)
    objective()
    objective.next_batch()
    assert objective.spent == pytest.approx((5 / 3 + 1) * EXAMPLES)


def test_one_example_of_a_batch_does_not_pay_for_it():
    model = small_model()
    objective = make_objective(model)
    model(objective.batch[0][:1])
    objective.next_batch()
    assert objective.spent == pytest.approx(EXAMPLES / 3)


def test_a_cost_nests_and_ends_with_an_error():
    ledger = Ledger(100)
    model = nn.Linear(2, 2)
    meter(model, ledger)

    def fail_inside():
        with ledger.at_cost(0.0):
            with ledger.at_cost(2.0):
                model(torch.ones(3, 2))
            model(torch.ones(5, 2))
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert ledger.spent == 6
    model(torch.ones(7, 2))
    assert ledger.spent == 13


# -- counted operations ---------------------------------------------------------------------------


def perceptron():
    layers = [layer for _ in range(10) for layer in (nn.Linear(256, 256), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(256, 10)), torch.randn(64, 256)


def convolutions():
    def block(channels):
        return [nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()]

    layers = [*block(3), *block(32), *block(32), *block(32), *block(32)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    return nn.Sequential(*layers, *head), torch.randn(16, 3, 16, 16)


def transformer():
    block = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
    return nn.Sequential(*[block] * 1, nn.Flatten(1), nn.Linear(64 * 16, 10)), torch.randn(
        8, 16, 64
    )


def recurrent():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.RNNCell(4, 64)
            self.head = nn.Linear(64, 10)

        def forward(self, inputs):
            state = inputs.new_zeros(len(inputs), 64)
            for step in inputs.unbind(1):
                state = self.cell(step, state)
            return self.head(state)

    return Recurrent(), torch.randn(16, 8, 4)


@pytest.mark.parametrize("network", [perceptron, convolutions, transformer, recurrent])
@pytest.mark.parametrize(
    ("cost", "ask"),
    [
        ("forward", lambda objective, v: objective.loss()),
        ("jvp", lambda objective, v: objective.jvp(v)),
        ("hvp", lambda objective, v: objective.hvp(v)),
    ],
    ids=["forward", "jvp", "hvp"],
)
def test_costs_are_counted_operations(network, cost, ask):
    """Counted by torch, in gradient evaluations, which the first layer makes a little cheaper."""
    torch.manual_seed(0)
    model, inputs = network()
    objective = make_objective(model, (inputs, torch.arange(len(inputs)) % 10))
    vector = [torch.randn_like(p) for p in model.parameters()]
    with counter() as gradient:
        objective()
    with counter() as asked:
        ask(objective, vector)
    counted = asked.get_total_flops() / gradient.get_total_flops()
    assert counted == pytest.approx(COSTS[cost], rel=0.15)


# -- whole trials ---------------------------------------------------------------------------------


def steps_of(hyperparameters):
    optimizer, *regularizers = hyperparameters
    components = (("optimizer", optimizer), *(("regularizer", name) for name in regularizers))
    trial = Trial(
        "modular_addition",
        components,
        hyperparameters,
        number=0,
        seed=0,
        purpose="tuning",
        budget_fraction=0.03,
    )
    run = run_trial(trial).run
    assert run.status == "completed", run.traceback
    return run


def test_sam_takes_half_the_steps_of_sgd_and_mezo_half_as_many_again():
    sgd = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
    plain = steps_of({"sgd": sgd})
    twice = steps_of({"sgd": sgd, "sam": {"rho": 0.05}})
    mezo = steps_of({"mezo": {"lr": 1e-4, "epsilon": 1e-3}})
    assert plain.cost.steps == 60
    assert twice.cost.steps == plain.cost.steps / 2
    assert mezo.cost.steps == plain.cost.steps * 1.5
    for run in (plain, twice, mezo):
        assert run.cost.gradient_evaluations == pytest.approx(60)
    assert twice.curve.gradient_evaluations == plain.curve.gradient_evaluations
