"""Claims are data beside a method: checked when declared, and no part of the code's hash."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from suite import Claim
from suite.components.claims import Stated, checked
from suite.components.imports import source_of
from suite.errors import UsageError

GOOD = {
    "says": "Groks sooner than AdamW.",
    "task": "modular_addition",
    "rival": "adamw",
    "measure": "time_to_target",
    "expect": "better",
    "number": "50 times fewer steps",
    "place": "abstract",
}
TUNED = {"measure": "hyperparameter", "quantity": "lr", "expect": "lower"}


def test_a_claim_is_kept_as_it_is():
    claim = Claim(**GOOD, factor=50.0)
    assert checked("x", [claim], alone=True) == (claim,)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"says": " "}, "says is empty"),
        ({"place": ""}, "place is empty"),
        ({"measure": "speed"}, "measure is one of"),
        ({"expect": "lower"}, "expect of a time_to_target is one of better"),
        ({"measure": "column", "expect": "better"}, "expect of a column is one of lower"),
        ({"from_memory": "yes"}, "True or False"),
        ({"measure": "column", "expect": "lower"}, "quantity="),
        ({"factor": 0.5}, "above 1"),
        ({"factor": float("nan")}, "above 1"),
        ({"factor": True}, "a number above 1"),
        ({"number": "two\nlines"}, "one line"),
        ({"rival": ""}, "Name a rival"),
        ({"value": 1.0}, "Name a rival"),
        ({"rival": "", "value": "1"}, "value is a number, not '1'"),
        ({"rival": "", "value": float("nan")}, "value is a finite number"),
        ({"untuned": "all"}, "untuned is 'method'"),
        ({**TUNED, "untuned": "both"}, "by score or time_to_target, not by hyperp"),
        ({"method": "adam, lion"}, "untuned='method'"),
        ({"rival": "adam, lion"}, "rival is one method"),
        ({**TUNED, "measure": "coupling"}, "names 2 hyperparameters: 'lr'"),
        ({**TUNED, "measure": "sensitivity", "quantity": "lr, rho"}, "names 1 hyperparameters"),
        ({**TUNED, "measure": "bound"}, "'column \\* hyperparameter', not 'lr'"),
        ({**TUNED, "measure": "bound", "expect": "higher"}, "is one of lower"),
        ({"number": "x" * 301}, "at most 300"),
    ],
)
def test_what_cannot_be_a_claim_is_refused(changes, complaint):
    with pytest.raises(UsageError, match=complaint):
        checked("x", [Claim(**{**GOOD, **changes})], alone=True)


@pytest.mark.parametrize("claims", ["text", Claim(**GOOD), {"a": 1}, [3], [Claim(**GOOD)] * 31])
def test_claims_are_a_list(claims):
    with pytest.raises(UsageError, match="claim"):
        checked("x", claims, alone=True)


def test_a_regularizer_or_schedule_names_the_method():
    with pytest.raises(UsageError, match="names the method"):
        checked("x", [Claim(**GOOD)], alone=False)
    assert checked("x", [Claim(**GOOD, method="adamw+mine")], alone=False)


def test_a_claim_says_what_is_to_be_run():
    one = Stated(
        SimpleNamespace(name="x"), Claim(**{**GOOD, "method": "a, b+c", "untuned": "both"})
    )
    assert one.needed == ("a", "b+c", "adamw")
    assert one.claim.protocol == ""
    alone = Stated(SimpleNamespace(name="x"), Claim(**{**GOOD, "rival": "", "value": 3.0}))
    assert alone.needed == ("x",)
    swept = {"measure": "coupling", "quantity": "lr, weight_decay|strength", "expect": "lower"}
    claim = Claim(**{**GOOD, **swept})
    assert claim.sweep == ("lr", "weight_decay|strength")
    assert claim.protocol == "sweep_lr_weight_decay_or_strength"
    bound = {
        "measure": "bound",
        "quantity": "size * lr",
        "expect": "lower",
        "rival": "",
        "value": 1,
    }
    assert Claim(**{**GOOD, **bound}).protocol == "sweep_lr"


BARE = "from suite import optimizer\noptimizer('x', f)\n"


def digest(text):
    return source_of(text.encode()).digest


def test_claims_do_not_change_the_hash_of_a_file():
    stated = "from suite import Claim, optimizer\noptimizer('x', f, claims=[Claim(says='a')])\n"
    assert digest(stated) == digest(BARE)


@pytest.mark.parametrize("claims", ["[Claim(says=g())]", "g()", "[g]()", "[x for x in y]"])
def test_code_in_the_place_of_claims_does(claims):
    stated = f"from suite import Claim, optimizer\noptimizer('x', f, claims={claims})\n"
    assert digest(stated) != digest(BARE)


def test_a_correlation_is_over_all_methods_and_names_what_it_goes_with():
    fields = {**GOOD, "rival": "", "measure": "correlation", "expect": "higher", "value": 0.0}
    good = Claim(**{**fields, "quantity": "layer_rotation_mean, score"})
    assert checked("x", [good], alone=False) == (good,)
    for changes, said in (
        ({"quantity": "layer_rotation_mean"}, "is 'column, score'"),
        ({"quantity": "layer_rotation_mean, loss"}, "is 'column, score'"),
        ({"method": "sgd"}, "names neither method nor rival"),
        ({"value": None}, "what is it compared with"),
    ):
        with pytest.raises(UsageError, match=said):
            checked("x", [replace(good, **changes)], alone=False)
