"""What holds for every registered optimizer."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

import pytest
import torch

from suite.components import registry
from suite.components.method import build, make_method
from suite.components.schedule import Schedules
from suite.training import setup
from suite.training.evaluator import switch_optimizer
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.objectives import make_info, make_objective, small_model, snapshot

NAMES = registry.names("optimizer")
#: optimizers that are made for other tasks than modular addition
OTHER_TASKS = {"tag": "split_digits_task"}


def at_defaults(name, model):
    """The optimizer with its declared defaults for a model."""
    info = replace(make_info(), tasks=2)
    return build([("optimizer", name)], make_method(name).defaults, model, info).optimizer


def trial_of(name, seed=1):
    method = make_method(name)
    return Trial(
        OTHER_TASKS.get(name, "modular_addition"),
        (("optimizer", name),),
        method.defaults,
        number=0,
        seed=seed,
        purpose="evaluation",
        budget_fraction=0.02,
    )


@pytest.fixture
def run_and_look(monkeypatch):
    """Runs a trial; returns its run and the weights before and after training."""

    def run(trial):
        seen = []

        def spy(components, hyperparameters, model, info):
            seen.extend([model, snapshot(model)])
            return build(components, hyperparameters, model, info)

        monkeypatch.setattr(setup, "build", spy)
        record = run_trial(trial).run
        assert record.status == "completed", record.traceback
        model, initial = seen
        return record, initial, snapshot(model)

    return run


def equal(some, others):
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def numbers_of(run):
    """The curve without its seconds."""
    return run.curve.model_dump(exclude={"seconds"})


def test_the_issues_optimizers_are_here():
    expected = {"sgd", "adamw", "lion", "muon", "sophia_g", "mezo", "schedule_free"}
    assert expected <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_declaration(name):
    component = registry.get("optimizer", name)
    assert component.name == Path(component.path).stem
    assert component.search
    for distribution in component.search.values():
        # Optuna's own idea of the range, not only ours
        inside = distribution.to_optuna()
        assert inside._contains(inside.to_internal_repr(distribution.default))
    assert urlparse(component.url).scheme == "https"
    year = [word for word in component.paper.replace(",", " ").split() if word.isdigit()]
    assert len(year) == 1
    assert 1950 < int(year[0]) < 2100
    assert component.summary.endswith(".")
    assert component.summary.count(". ") == 0


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bits_and_another_seed_not(name, run_and_look):
    first, initial, weights = run_and_look(trial_of(name))
    again, initial_again, weights_again = run_and_look(trial_of(name))
    assert equal(initial, initial_again)
    assert equal(weights, weights_again)
    assert numbers_of(first) == numbers_of(again)
    assert not equal(initial, weights)
    other, _, other_weights = run_and_look(trial_of(name, seed=2))
    assert not equal(weights, other_weights)
    assert numbers_of(other) != numbers_of(first)


def test_all_start_from_the_same_weights(run_and_look):
    starts = [run_and_look(trial_of(name))[1] for name in ("sgd", "mezo", "schedule_free")]
    assert equal(starts[0], starts[1])
    assert equal(starts[0], starts[2])


@pytest.mark.parametrize("name", NAMES)
def test_the_defaults_lower_a_loss(name):
    model = small_model()
    optimizer = at_defaults(name, model)
    objective = make_objective(model)
    before = float(objective.loss())
    switch_optimizer(optimizer, training=True)
    for _ in range(100):
        optimizer.step(objective)
    switch_optimizer(optimizer, training=False)
    assert float(objective.loss()) < before


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_reaches_every_part(name):
    """At a learning rate of zero nothing moves."""
    model = small_model()
    optimizer = at_defaults(name, model)
    objective = make_objective(model)
    before = snapshot(model)
    Schedules([lambda progress: 0.0], optimizer).apply(0.5)
    switch_optimizer(optimizer, training=True)
    for _ in range(3):
        optimizer.step(objective)
    switch_optimizer(optimizer, training=False)
    for p, q in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach(), q, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_step_returns_the_loss(name):
    model = small_model()
    optimizer = at_defaults(name, model)
    objective = make_objective(model)
    before = float(objective.loss())
    switch_optimizer(optimizer, training=True)
    # EGGROLL returns the mean over its population, which is not at the weights themselves.
    close = 1e-2 if name == "eggroll" else 1e-4
    assert float(optimizer.step(objective)) == pytest.approx(before, rel=close)
