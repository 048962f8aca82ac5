"""Diagnostics look at a run and change nothing of it; what goes wrong in one is told."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import suite
from suite.checking.diagnostics import check_diagnostic, film, tried
from suite.checking.grounds import grounds
from suite.components import registry
from suite.diagnostics.declaration import MAX_VALUES, Diagnostic
from suite.diagnostics.measuring import measure
from suite.diagnostics.snapshots import MAX_BYTES, Snapshots, chosen_points
from suite.errors import NotApplicable, SuiteError, UsageError
from suite.training.loop import run_trial
from suite.training.trial import Trial
from tests.commands import TINY

PERCEPTRON, NORM, _, _, STREAM, _ = grounds()


@pytest.fixture(autouse=True)
def tiny():
    """Not when tests are collected: others look at all tasks that are registered."""
    registry.load_file(TINY)


def diagnostic(measure, unit="ratio", cost=0.0, name="made") -> Diagnostic:
    units = {"": unit} if isinstance(unit, str) else unit
    return Diagnostic(
        name, measure, "p", "u", "s", units, cost, 1, Path("made.py"), "0123456789abcdef"
    )


def trial(task: str, *components: tuple[str, str], share: float = 1.0, **settings) -> Trial:
    defaults = {name: registry.get(kind, name).defaults for kind, name in components}
    return Trial(task, components, defaults, 0, 1, "evaluation", budget_fraction=share, **settings)


def everything(probe) -> float:
    """Draws from every generator, trains the model, and writes into what it may write into."""
    torch.rand(3)
    probe.model.train()
    probe.loss(probe.parts[0]).backward()
    torch.optim.SGD(probe.model.parameters(), lr=10.0).step()
    probe.batch[0].zero_()
    probe.model.register_forward_hook(lambda *_: None)
    return float(len(probe.earlier))


@pytest.mark.parametrize(
    ("task", "share", "components"),
    [
        ("tiny_blobs", 1.0, [("optimizer", "adamw"), ("regularizer", "iterate_ema")]),
        ("tiny_blobs", 1.0, [("optimizer", "schedule_free")]),
        (
            "tiny_blobs",
            1.0,
            [("optimizer", "sgd"), ("regularizer", "sam"), ("schedule", "cosine")],
        ),
        ("tiny_blobs", 1.0, [("optimizer", "adamw"), ("regularizer", "dropout")]),
        ("digits_batchnorm", 0.05, [("optimizer", "adamw"), ("regularizer", "swa")]),
        ("split_digits", 0.2, [("optimizer", "adamw"), ("regularizer", "ewc")]),
        ("permuted_digits", 0.02, [("optimizer", "adamw")]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_run_is_the_same_to_the_bit(task, share, components):
    plain = run_trial(trial(task, *components, share=share))
    with registry.replaced(diagnostic(everything)):
        probed = run_trial(trial(task, *components, share=share, probes=("made",), probe_points=4))
    assert plain.run.status == "completed", plain.run.reason
    assert probed.run.comparable() == plain.run.comparable()
    assert plain.probed is None
    found = probed.probed
    assert found.notes == {}
    seen = [value for value in found.columns["made"] if value is not None]
    # Before the first batch of a stream there is nothing to look with.
    assert seen == [seen[0] + n for n in range(len(seen))]
    assert seen[0] == (1.0 if task == "split_digits" else 0.0)
    assert len(found.columns["made"]) == len(plain.run.curve.gradient_evaluations)
    assert len(seen) >= 3
    assert found.columns["made"][-1] is not None
    assert found.seconds["made"] > 0
    # Its time is told apart: not in that of training or evaluation.
    assert probed.run.cost.steps == plain.run.cost.steps


def test_the_last_update_is_the_last_one():
    """Of plain SGD: minus the rate times the gradient that the step left."""

    def check(probe):
        gradient = probe.flat(probe.now.gradients) if probe.now.gradients else None
        update = probe.flat(probe.update)
        return float((update + probe.setting("lr") * gradient).norm() / update.norm())

    changed = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    plain = {"sgd": {**registry.get("optimizer", "sgd").defaults, **changed}}
    one = trial("tiny_blobs", ("optimizer", "sgd"), probes=("made",), probe_points=5)
    with registry.replaced(diagnostic(check)):
        outcome = run_trial(replace(one, hyperparameters=plain))
    assert outcome.run.status == "completed", outcome.run.reason
    found = outcome.probed
    values = [value for value in found.columns["made"] if value is not None]
    assert len(values) == 4  # before training there is none
    assert max(values) < 1e-5


def test_weights_and_history_are_those_of_the_run():
    shown = film(PERCEPTRON)

    def distance(probe):
        if probe.earlier:
            assert all(
                torch.equal(probe.initial[name], shown.snapshots[0].weights[name])
                for name in probe.parameters
            )
        now = probe.flat(dict(probe.parameters))
        return float((now - probe.flat(probe.initial)).norm())

    values = [v for v in tried(diagnostic(distance), PERCEPTRON).columns["made"] if v is not None]
    assert values[0] == 0.0
    assert values == sorted(values)
    assert len(shown.snapshots) == len(values) == 4


def test_a_stream_shows_its_latest_batches():
    shown = film(STREAM)
    assert shown.snapshots[-1].batches
    found = tried(diagnostic(lambda probe: float(probe.batch[0].mean())), STREAM)
    values = [value for value in found.columns["made"] if value is not None]
    assert len(set(values)) > 1
    fixed = tried(diagnostic(lambda probe: float(probe.batch[0].mean())), PERCEPTRON)
    assert len({value for value in fixed.columns["made"] if value is not None}) == 1


def test_random_streams_belong_to_a_diagnostic_and_an_evaluation():
    def draw(probe):
        own = torch.rand(1, generator=probe.generator)
        return {"own": float(own), "any": float(torch.rand(1))}

    units = {"own": "number", "any": "number"}
    first, second = (tried(diagnostic(draw, units), PERCEPTRON).columns for _ in range(2))
    assert first == second
    other = tried(diagnostic(draw, units, name="other"), PERCEPTRON).columns
    assert other["other_own"] != first["made_own"]
    assert len(set(filter(None, first["made_own"]))) == 4


# -- what goes wrong ------------------------------------------------------------------------------


def raises(probe):
    raise ZeroDivisionError("by nothing")


def waits(probe):
    while True:
        with suppress(Exception):
            time.sleep(0.01)


def spoils(probe):
    probe.now.weights[
        "first.weight" if "first.weight" in probe.now.weights else next(iter(probe.now.weights))
    ].add_(1)
    return 1.0


@pytest.mark.parametrize(
    ("wrong", "unit", "said"),
    [
        (raises, "ratio", "made.py failed at evaluation 0: ZeroDivisionError: by nothing"),
        (lambda probe: "many", "ratio", "str, which is no number"),
        (lambda probe: None, "ratio", ""),
        (lambda probe: {"a": 1.0}, "ratio", "it returned a, and its unit names one number"),
        (lambda probe: 1.0, {"a": "x"}, "it returned one number, and its unit names a"),
        (lambda probe: torch.ones(2), "ratio", "Tensor, which is no number"),
        (lambda probe: True, "ratio", "bool, which is no number"),
        (lambda probe: math.inf, "ratio", "not finite at evaluation 0, 2, 4, 6"),
        (lambda probe: 1e200, "ratio", "not finite at evaluation"),
    ],
)
def test_a_wrong_answer_is_noted_and_the_others_go_on(wrong, unit, said):
    shown = film(PERCEPTRON)
    other = diagnostic(lambda probe: 7.0, name="other")
    found = measure([diagnostic(wrong, unit), other], shown.snapshots, shown.points, shown.ground)
    assert said in found.notes.get("made", "")
    assert [value for value in found.columns["other"] if value is not None] == [7.0] * 4
    assert not any(
        column.startswith("made") and any(v is not None for v in values)
        for column, values in found.columns.items()
    )


def test_one_that_does_not_apply_says_why():
    def not_here(probe):
        raise NotApplicable("only for tokens")

    found = tried(diagnostic(not_here), PERCEPTRON)
    assert found.notes == {"made": "not applicable: only for tokens"}
    assert found.columns == {}


def test_one_that_never_ends_is_cut_off():
    shown = film(PERCEPTRON)
    slow = [diagnostic(lambda probe: 7.0, name="first"), diagnostic(waits)]
    began = time.monotonic()
    found = measure(slow, shown.snapshots, shown.points, shown.ground, limit=0.3)
    assert time.monotonic() - began < 5
    assert found.columns["first"][0] == 7.0
    assert "may take 0.3 s" in found.notes["made"]
    assert "(in made)" in found.notes["made"]


def test_one_that_changes_what_all_look_at_ends_the_looking():
    film.cache_clear()
    found = tried(diagnostic(spoils), PERCEPTRON)
    film.cache_clear()
    assert "changed a snapshot" in found.notes["made"]


def test_the_next_one_gets_a_model_as_it_was():
    shown = film(NORM)

    def weights(probe):
        assert not probe.model.training
        assert not any(module._forward_hooks for module in probe.model.modules())
        return float(probe.flat(dict(probe.parameters)).norm())

    def removes(probe):
        del probe.model._modules[next(iter(probe.model._modules))]
        return 0.0

    one, other = diagnostic(weights, name="one"), diagnostic(weights, name="two")
    alone = measure([one], shown.snapshots, shown.points, shown.ground)
    wild = [diagnostic(everything), one, diagnostic(removes, name="removes"), other]
    found = measure(wild, shown.snapshots, shown.points, shown.ground)
    assert found.notes == {}
    assert found.columns["one"] == alone.columns["one"] == found.columns["two"]


def test_a_failing_one_does_not_end_the_run():
    with registry.replaced(diagnostic(raises)):
        outcome = run_trial(
            trial("tiny_blobs", ("optimizer", "sgd"), probes=("made",), probe_points=3)
        )
    assert outcome.run.status == "completed"
    assert "ZeroDivisionError" in outcome.probed.notes["made"]


# -- which evaluations ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evaluations", "count", "points"),
    [(12, 4, [0, 4, 8, 12]), (2, 9, [0, 1, 2]), (100, 2, [0, 100]), (1, 5, [0, 1])],
)
def test_points_are_spread_over_the_run(evaluations, count, points):
    assert chosen_points(evaluations, count) == points


def test_a_large_model_is_seen_at_fewer_evaluations():
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for size, expected in ((8, 9), (MAX_BYTES // 15, 3)):
        model.weight = torch.nn.Parameter(torch.empty(size // 4, device="meta"))
        snapshots = Snapshots(9, 100, 1.0, 1)
        snapshots.begin(model, optimizer, stream=False)
        assert len(snapshots._wanted) == pytest.approx(expected, abs=1)


# -- declarations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"unit": ""}, "a unit is a text"),
        ({"unit": {}}, "a dict of 1 to"),
        ({"unit": {f"v{n}": "x" for n in range(MAX_VALUES + 1)}}, "a dict of 1 to"),
        ({"unit": {"Bad": "x"}}, "is not a name"),
        ({"unit": {"a" * 58: "x"}}, "more than 60"),
        ({"cost": -1}, "cost is a number"),
        ({"cost": "much"}, "cost is a number"),
        ({"cost": math.nan}, "cost is a number"),
        ({"version": 0}, "version is a whole number"),
        ({"measure": lambda: 1.0}, "is called with one argument"),
        ({"measure": 3}, "is a function"),
    ],
)
def test_a_wrong_declaration_is_refused(changed, said):
    declared = {"unit": "ratio", "cost": 0, "paper": "p", "url": "u", "measure": lambda probe: 1.0}
    fields = {**declared, **changed}
    with registry.separate(), pytest.raises(UsageError, match=said):
        suite.diagnostic("wrong", fields.pop("measure"), **fields)


def test_a_missing_argument_is_named(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from suite import diagnostic\ndiagnostic('mine', len, paper='p', url='u')\n")
    with pytest.raises(SuiteError, match=r"diagnostic\(...\) needs unit and cost"):
        registry.load_file(file)


def test_checks_find_a_price_that_is_too_low_and_a_value_that_does_not_repeat():
    def dear(probe):
        return sum(float(probe.loss().detach()) for _ in range(12))

    verdicts = {v.check: v for v in check_diagnostic(diagnostic(dear))}
    assert (verdicts["measures"].outcome, verdicts["repeats"].outcome) == ("ok", "ok")
    assert verdicts["cost"].outcome == "problem"
    assert verdicts["cost"].cure == "Declare cost=6."  # a table has no deeper gradient to pass on
    counter = iter(range(1000))
    verdicts = {v.check: v for v in check_diagnostic(diagnostic(lambda probe: next(counter)))}
    assert verdicts["repeats"].outcome == "problem"
    verdicts = {v.check: v for v in check_diagnostic(diagnostic(raises))}
    assert verdicts["measures"].outcome == "problem"
