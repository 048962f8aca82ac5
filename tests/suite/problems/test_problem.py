"""What a problem and its data declare is checked where it is declared."""

from __future__ import annotations

import pytest

from suite import Data, Problem, SuiteError, fingerprint_of
from suite.data.split import Split


@pytest.mark.parametrize("fingerprint", ["generated", "", "ABCDEF0123456789", "0" * 15, 16, None])
def test_a_fingerprint_that_no_result_could_hold_is_refused(fingerprint):
    with pytest.raises(SuiteError, match=r"Data\(fingerprint=.*16 to 64 hexadecimal digits.*sha25"):
        Data(None, None, None, fingerprint)


@pytest.mark.parametrize("fingerprint", ["0123456789abcdef", "a" * 64])
def test_a_hash_is_a_fingerprint(fingerprint):
    assert Data(Split(None, None), None, None, fingerprint).fingerprint == fingerprint


def test_a_fingerprint_of_generated_data_follows_from_its_rule():
    assert fingerprint_of("a rule") == "f8a062528d72a832"
    assert Data(None, None, None, fingerprint_of("another")).fingerprint != fingerprint_of("a rule")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("sumarize", "summarize"),
        ("evalute", "evaluate"),
        ("initialise", "initialize"),
        ("training_metric", "training_metrics"),
        ("every_steps", "every_step"),
    ],
)
def test_a_misspelt_hook_is_an_error_that_names_the_right_one(wrong, right):
    with pytest.raises(SuiteError, match=rf"Mine\.{wrong}: .* Did you mean '{right}'\?"):
        type("Mine", (Problem,), {wrong: lambda self: None})


def test_a_problem_may_have_names_of_its_own():
    names = {name: None for name in ("visible", "table", "task_numbers", "_evalute", "evaluate")}
    base = type("Mine", (Problem,), names)
    assert type("More", (base,), {"visible": None, "draw": None})


def test_overridden_hooks_are_known_through_every_base():
    class Mixin:
        def constrain(self, model):
            """Nothing."""

    class Mine(Mixin, Problem):
        data = model = batches = None

    problem = Mine()
    assert problem.overrides("constrain")
    assert not problem.overrides("summarize")
    with pytest.raises(AttributeError):
        problem.overrides("constrian")
