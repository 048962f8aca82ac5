"""What every registered regularizer must hold, whatever it does."""

from __future__ import annotations

import inspect
import re

import pytest

from suite import Regularizer
from suite.components import registry
from suite.results.model import Run
from suite.training.loop import run_trial
from suite.training.trial import Trial

NAMES = registry.names("regularizer")
#: where a regularizer cannot work on tokens: a task, a share of its budget, and that in evaluations
OTHER_TASKS = {
    "bcwi": ("split_digits", 0.04, 30),
    "cutout": ("digits", 0.2, 40),
    **dict.fromkeys(("dgp", "ewc", "plwf"), ("split_digits", 0.04, 30)),
    "ghost_batchnorm": ("digits_batchnorm", 0.2, 40),
    "mixup": ("digits", 0.2, 40),
    "shrink_and_perturb": ("split_digits", 0.04, 30),
    "tract": ("digits", 0.2, 40),
    "wb_one_stage": ("digits", 0.2, 40),
    "weight_balancing": ("digits", 0.2, 40),
}
#: regularizers whose steps do not cost a whole number of evaluations: the last one is not taken
UNEVEN = {"agem", "er_agem", "experience_replay", "lsuv", "plwf"}
#: they need layers whose weights no other regularizer computes
PLAIN = {"cbp", "redo"}


def short_run(components: list[tuple[str, str]], seed: int = 7) -> Run:
    """A fiftieth of modular_addition's budget, every component with its defaults."""
    tasks = [OTHER_TASKS[name] for _, name in components if name in OTHER_TASKS]
    task, share, _ = tasks[0] if tasks else ("modular_addition", 0.02, 40)
    hyperparameters = {name: registry.get(kind, name).defaults for kind, name in components}
    trial = Trial(task, tuple(components), hyperparameters, 0, seed, "evaluation", share)
    return run_trial(trial).run


def measured(run: Run) -> dict:
    return run.curve.model_dump(exclude={"seconds"})


def test_all_are_found():
    assert {
        "early_dropout",
        "grokfast_ema",
        "iterate_ema",
        "label_smoothing",
        "redo",
        "sam",
        "weight_norm",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bits(name):
    method = [("optimizer", "adamw"), ("regularizer", name)]
    first, second = short_run(method), short_run(method)
    assert first.status == "completed", first.reason
    assert measured(first) == measured(second)
    spent = first.cost.gradient_evaluations
    budget = OTHER_TASKS[name][2] if name in OTHER_TASKS else 40
    assert budget - (2 if name in UNEVEN else 0) <= spent <= budget


@pytest.mark.parametrize("name", NAMES)
def test_declaration(name):
    component = registry.get("regularizer", name)
    assert component.path.stem == name
    assert component.summary.endswith(".")
    assert re.search(r"\b(19|20)\d\d, \w", component.paper)
    assert component.url.startswith("https://")
    assert set(component.defaults) == set(inspect.signature(component.build).parameters)
    regularizer = component.build(**component.defaults)
    assert isinstance(regularizer, Regularizer)
    hooks = [hook for hook, value in vars(Regularizer).items() if callable(value)]
    assert any(regularizer.overrides(hook) for hook in hooks if hook != "overrides")


def test_the_initial_weights_do_not_depend_on_the_regularizers():
    plain = short_run([("optimizer", "adamw")])
    averaged = short_run([("optimizer", "adamw"), ("regularizer", "iterate_ema")])
    assert averaged.curve.train_loss == plain.curve.train_loss
    assert averaged.curve.test != plain.curve.test


def test_sam_gets_half_the_steps_of_the_same_budget():
    plain = short_run([("optimizer", "sgd")])
    sam = short_run([("optimizer", "sgd"), ("regularizer", "sam")])
    assert (plain.cost.steps, sam.cost.steps) == (40, 20)
    assert plain.cost.gradient_evaluations == sam.cost.gradient_evaluations == 40


#: each of these changes how weights are made, or looks at layers that another one has changed
REPARAMETRIZE = {"nap", "weight_compander", "weight_conditioning", "weight_norm", "redo", "cbp"}
#: these compute the gradient themselves: they are named first, and each alone
COMPUTE = ["discover_multimomentum", "pcgrad", "pcngd", "rm3"]
TOGETHER = [name for name in NAMES if name not in {*REPARAMETRIZE, *COMPUTE, *OTHER_TASKS}]


@pytest.mark.parametrize("first", range(7))
def test_several_at_once(first):
    """Every seventh, so that kinds are mixed: a method has at most 20 components."""
    some = [("regularizer", name) for name in TOGETHER[first::7]]
    run = short_run([("optimizer", "adamw"), *some, ("schedule", "cosine")])
    assert run.status == "completed", run.reason


@pytest.mark.parametrize("name", COMPUTE)
def test_what_computes_the_gradient_itself_is_named_first(name):
    after = [("optimizer", "adamw"), ("regularizer", name), ("regularizer", "grad_clip_norm")]
    run = short_run(after)
    assert run.status == "completed", run.reason
    run = short_run([after[0], after[2], after[1]])
    assert run.status == "failed"
    assert f"Name it first: --regularizer {name},grad_clip_norm" in run.reason


@pytest.mark.parametrize("name", NAMES)
def test_with_an_optimizer_that_asks_for_no_gradient_none_is_silently_left_out(name):
    component = registry.get("regularizer", name)
    regularizer = component.build(**component.defaults)
    run = short_run([("optimizer", "mezo"), ("regularizer", name)])
    if name in ("cautious", "alphaadam"):
        assert run.status == "failed"
        assert re.match("NotApplicable: .* compare the step with a gradient", run.reason)
    elif regularizer.overrides("evaluate") or regularizer.overrides("gradients"):
        assert run.status == "failed"
        assert run.reason.startswith(f"NotApplicable: '{name}' works on gradient evaluations")
    else:
        assert run.status == "completed", run.reason
