"""What the objective charges, alone and in whole trials."""

import copy

import pytest
import torch
from torch import nn

from suite import Regularizer
from suite.training.loop import run_trial
from suite.training.meter import BudgetExhausted, Ledger, meter, unmeter
from suite.training.objective import PRICES
from suite.training.trial import Trial
from tests.objectives import EXAMPLES, make_objective, small_batch, small_model, tangent_for


@pytest.mark.parametrize(
    ("ask", "price"),
    [
        (lambda objective, v: objective(), 1),
        (lambda objective, v: objective.loss(), 1 / 3),
        (lambda objective, v: objective.sampled_labels(), 1),
        (lambda objective, v: objective.jvp(v), 2 / 3),
        (lambda objective, v: objective.hvp(v), 2),
        (lambda objective, v: objective.per_group_gradients(), 1),
    ],
    ids=["gradient", "loss", "sampled", "jvp", "hvp", "groups"],
)
@pytest.mark.parametrize("grad", [True, False], ids=["grad_on", "grad_off"])
def test_prices(ask, price, grad):
    model = small_model()
    objective = make_objective(model)
    with torch.set_grad_enabled(grad):
        ask(objective, tangent_for(model))
    assert objective.spent == pytest.approx(price * EXAMPLES, rel=1e-12)


class OwnForward(Regularizer):
    """Calls the model itself, as consistency and adversarial penalties do."""

    def penalty(self, model):
        inputs, _ = small_batch()
        return (model(inputs[:5]) ** 2).mean()


@pytest.mark.parametrize(
    ("ask", "price"),
    [
        (lambda objective, v: objective(), "gradient"),
        (lambda objective, v: objective.loss(), "forward"),
        (lambda objective, v: objective.jvp(v), "jvp"),
        (lambda objective, v: objective.hvp(v), "hvp"),
    ],
    ids=["gradient", "loss", "jvp", "hvp"],
)
def test_a_regularizers_own_forward_passes_are_charged(ask, price):
    model = small_model()
    objective = make_objective(model, regularizers=[OwnForward()])
    ask(objective, tangent_for(model))
    assert objective.spent == pytest.approx(PRICES[price] * (EXAMPLES + 5), rel=1e-12)


def test_a_copy_of_the_model_is_charged_too_and_computes_with_its_own_weights():
    model = small_model()
    objective = make_objective(model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
        assert (other(small_batch()[0]) == 0).all()
        assert not (model(small_batch()[0]) == 0).any()
    assert objective.spent == pytest.approx(2 * PRICES["forward"] * EXAMPLES)


def test_whoever_calls_forward_himself_is_charged_too():
    model = small_model()
    objective = make_objective(model)
    model.forward(small_batch()[0])
    assert objective.spent == EXAMPLES


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


def test_a_step_without_end_is_stopped():
    objective = make_objective(small_model(), budget=10 * EXAMPLES)
    for _ in range(11):
        objective()
    with pytest.raises(BudgetExhausted):
        objective()


def test_a_price_nests_and_ends_with_an_error():
    ledger = Ledger(100)
    model = nn.Linear(2, 2)
    meter(model, ledger)

    def fail_inside():
        with ledger.at_price(0.0):
            with ledger.at_price(2.0):
                model(torch.ones(3, 2))
            model(torch.ones(5, 2))
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert ledger.spent == 6
    model(torch.ones(7, 2))
    assert ledger.spent == 13


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
