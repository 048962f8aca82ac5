"""Claims are data beside a method: checked when declared, and no part of the code's hash."""

from __future__ import annotations

import pytest

from suite import Claim
from suite.components.claims import checked
from suite.components.imports import source_of
from suite.errors import UsageError

GOOD = {
    "says": "Groks sooner than AdamW.",
    "task": "modular_addition",
    "measure": "time_to_target",
    "expect": "better",
    "number": "50 times fewer steps",
    "place": "abstract",
}


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
