"""What a method is told about a task before it starts."""

from __future__ import annotations

import pytest

from suite.components import registry
from suite.errors import NotApplicable
from suite.training import setup
from suite.training.trial import Trial


def told(task, regularizer="lsuv"):
    """The TaskInfo of a task, and what building a method with the regularizer does."""
    components = (("optimizer", "sgd"), ("regularizer", regularizer))
    values = {name: registry.get(kind, name).defaults for kind, name in components}
    trial = Trial(task, components, values, 0, 0, "tuning", 0.5)
    loaded = setup.load(trial)
    data = setup.load_data(trial, loaded)
    model = setup.make_model(trial, loaded, data.train)
    info = setup.task_info(trial, loaded, model, data.train)
    return info, lambda: setup.build_method(trial, loaded, model, data.train)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("digits", {"loss": "cross_entropy", "inputs": "numbers", "classes": 10, "tasks": None}),
        ("modular_addition", {"loss": "cross_entropy", "inputs": "tokens", "tasks": None}),
        ("lm_markov", {"loss": "cross_entropy", "inputs": "tokens", "examples": 8192}),
        ("permuted_digits_domains", {"tasks": 5, "examples": None, "epochs": None}),
        ("matrix_sensing", {"loss": "mse", "classes": None, "inputs": "numbers"}),
    ],
)
def test_tasks_say_what_they_are(task, expected):
    info, _ = told(task)
    assert {name: getattr(info, name) for name in expected} == expected
    assert info.device == "cpu"


def test_epochs_follow_from_the_budget():
    info, _ = told("digits")
    task = registry.get("task", "digits")
    assert info.examples == 1_000 or info.examples > info.batch_size
    assert info.epochs == pytest.approx(task.budget_under(0.5) / info.examples)
    assert info.steps == task.budget_under(0.5) // task.batch_size


def test_logits_are_refused_where_the_loss_is_not_their_cross_entropy():
    _, build = told("matrix_sensing", "stablemax")
    with pytest.raises(NotApplicable, match="'stablemax' transforms the scores of classes"):
        build()
