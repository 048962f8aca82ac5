"""Every claim of the repository can be decided: what it names exists."""

from __future__ import annotations

import functools

import pytest

from suite.components import registry
from suite.components.claims import stated
from suite.components.method import parse_method
from suite.studies.sweep import coarse, grid
from suite.training.loop import run_trial
from suite.training.trial import Trial

#: two claims about a method differ in one of these
DISTINCT = ("rival", "untuned", "task", "measure", "quantity")
KINDS = [kind for kind in registry.KINDS if kind != "task"]
CLAIMS = [
    pytest.param(one, id=f"{kind}-{one.component.name}-{i}")
    for kind in KINDS
    for name in registry.names(kind)
    for i, one in enumerate(stated([registry.get(kind, name)]))
]


@functools.cache
def columns(task_name):
    """The columns of a task's curve; None if its data may be missing."""
    task = registry.get("task", task_name)
    if task.problem.needs:
        return None
    values = {"sgd": registry.get("optimizer", "sgd").defaults}
    trial = Trial(task_name, (("optimizer", "sgd"),), values, 0, 1, "evaluation", 0.01)
    return set(run_trial(trial).run.curve.test)


def test_there_are_claims():
    assert len(CLAIMS) >= 50


@pytest.mark.parametrize("one", CLAIMS)
def test_what_a_claim_names_exists(one):
    claim = one.claim
    task = registry.get("task", claim.task)
    methods = [parse_method(name) for name in one.needed]
    if one.component.kind != "diagnostic":
        assert one.component.name in {c.name for method in methods for c in method.components}
    assert one.method != claim.rival
    if claim.measure in ("column", "bound"):
        known = columns(claim.task)
        assert known is None or claim.quantity.split(" * ")[0] in known, sorted(known)
    if claim.measure in ("diagnostic", "correlation"):
        assert claim.quantity.split(", ")[0] in one.component.columns
    if claim.measure == "hyperparameter":
        for method in methods:
            assert any(claim.quantity in c.search for c in method.components), method.name
    if "time_to_target" in (claim.measure, *claim.quantity.split(", ")):
        assert task.target is not None
    for method in methods if claim.sweep else ():
        assert len(grid(method.distributions(), coarse(claim.sweep))) >= 4
    assert one.source


def test_two_claims_do_not_say_the_same():
    said = [
        (one.method, *(getattr(one.claim, name) for name in DISTINCT))
        for kind in KINDS
        for one in stated(registry.load_all(kind)[0])
    ]
    assert len(said) == len(set(said))
