"""Claims: what a method's paper says of it, as data that a run can decide.

A component's file states them beside the method: `optimizer(..., claims=[Claim(...)])`. They say
nothing that a run depends on, so that editing them leaves the results of the file as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from suite.errors import UsageError

#: what is compared
Measure = Literal["score", "time_to_target", "column", "hyperparameter"]
#: how the method's value compares with the rival's, or with `number` where there is no rival
Expectation = Literal["better", "worse", "lower", "higher", "equal"]
#: what may be expected of a measure: whether a score is better high or low is the task's to say
_EXPECTED: dict[str, tuple[Expectation, ...]] = {
    "score": ("better", "worse", "equal"),
    "time_to_target": ("better", "worse", "equal"),
    "column": ("lower", "higher", "equal"),
    "hyperparameter": ("lower", "higher", "equal"),
}

MAX_TEXT = 300
MAX_CLAIMS = 30


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a paper about a method, at one task.

    `says`: the claim in one sentence. `task`: the task here that decides it. `method` and `rival`:
    names of methods such as `adamw+grokfast_ema`; an empty method is the optimizer alone, and a
    regularizer or schedule names one; an empty rival means that the value itself is claimed.

    `measure`: "score" (the task's), "time_to_target" (gradient evaluations until the task's
    target), "column" (the value of a column of the curve at its end, named by `quantity`) or
    "hyperparameter" (the tuned value, or the range of good values, of the hyperparameter
    `quantity`). `expect`: whether the method is "better", "worse" or "equal" by score or time, or
    its value "lower", "higher" or "equal" in a column or hyperparameter. `factor`: how many times,
    as a ratio above 1, where the paper gives one; a claim without a factor is of the direction.

    `number`: the paper's number and its setting in words. `place`: where the paper says so, such
    as "abstract" or "table 2". `source`: the paper, where it is not the component's own.
    `from_memory`: whoever stated the claim did not have its source open: look it up before you cite
    the number.
    """

    says: str
    task: str
    measure: Measure
    expect: Expectation
    number: str
    place: str
    method: str = ""
    rival: str = ""
    quantity: str = ""
    factor: float | None = None
    source: str = ""
    from_memory: bool = False


def checked(who: str, claims: Sequence[Any], *, alone: bool) -> tuple[Claim, ...]:
    """The claims of a declaration; raises UsageError where one cannot be what it should be.

    `alone`: whether the component is a method by itself, as an optimizer is.
    """
    if isinstance(claims, (str, Claim)) or not isinstance(claims, Sequence):
        raise UsageError(f"{who}: claims is a list of suite.Claim(...), not {claims!r}.")
    if len(claims) > MAX_CLAIMS:
        raise UsageError(f"{who}: at most {MAX_CLAIMS} claims, not {len(claims)}.")
    for number, claim in enumerate(claims, start=1):
        complaint = _complaint(claim)
        if not complaint and not (claim.method or alone):
            complaint = "it names the method that the component is part of: method='...'."
        if complaint:
            raise UsageError(f"{who}: claim {number}: {complaint}")
    return tuple(claims)


def _complaint(claim: Any) -> str:
    """What is wrong with a claim; empty if nothing is."""
    if not isinstance(claim, Claim):
        return f"this is no suite.Claim(...): {claim!r}."
    if not isinstance(claim.from_memory, bool):
        return f"from_memory is True or False, not {claim.from_memory!r}."
    texts = {name: v for name, v in vars(claim).items() if name not in ("factor", "from_memory")}
    for name, value in texts.items():
        if not isinstance(value, str) or len(value) > MAX_TEXT or "\n" in value:
            return f"{name} is a text of one line and at most {MAX_TEXT} characters."
    for name in ("says", "task", "number", "place"):
        if not texts[name].strip():
            return f"{name} is empty."
    if claim.measure not in _EXPECTED:
        return f"measure is one of {', '.join(_EXPECTED)}, not {claim.measure!r}."
    expected = _EXPECTED[claim.measure]
    if claim.expect not in expected:
        return f"expect of a {claim.measure} is one of {', '.join(expected)}, not {claim.expect!r}."
    if claim.measure in ("column", "hyperparameter") and not claim.quantity:
        return f"a claim about a {claim.measure} names it: quantity='...'."
    if claim.factor is None:
        return ""
    if isinstance(claim.factor, bool) or not isinstance(claim.factor, (int, float)):
        return f"factor is a number above 1, not {claim.factor!r}."
    if not 1 < claim.factor < float("inf"):
        return f"factor is a number above 1, not {claim.factor}: say the direction by `expect`."
    return ""
