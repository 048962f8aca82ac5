"""Claims: what a method's paper says of it, as data that a run can decide.

A component's file states them beside the method: `optimizer(..., claims=[Claim(...)])`. They say
nothing that a run depends on, so that editing them leaves the results of the file as they are.
`leaderboard.claims` decides them from results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.components.registry import Component
    from suite.diagnostics.declaration import Diagnostic

#: what is compared
Measure = Literal[
    "score",
    "time_to_target",
    "column",
    "hyperparameter",
    "sensitivity",
    "coupling",
    "bound",
    "diagnostic",
    "correlation",
]
#: how the method's value compares with the rival's, or with `value` where there is no rival
Expectation = Literal["better", "worse", "lower", "higher", "equal", "not_worse"]
#: which of the two runs with its declared defaults instead of tuned hyperparameters
Untuned = Literal["", "method", "rival", "both"]
_BY_SCORE: tuple[Expectation, ...] = ("better", "worse", "equal", "not_worse")
_BY_SIZE: tuple[Expectation, ...] = ("lower", "higher", "equal")
#: what may be expected of a measure: whether a score is better high or low is the task's to say
_EXPECTED: dict[str, tuple[Expectation, ...]] = {
    "score": _BY_SCORE,
    "time_to_target": _BY_SCORE,
    "column": _BY_SIZE,
    "hyperparameter": _BY_SIZE,
    "sensitivity": _BY_SIZE,
    "coupling": _BY_SIZE,
    "bound": ("lower",),
    "diagnostic": _BY_SIZE,
    "correlation": ("lower", "higher"),
}
#: what a diagnostic may go with, over methods
OUTCOMES = ("score", "time_to_target")
#: how many hyperparameters `quantity` lists, for measures that need a sweep of them
SWEPT = {"sensitivity": 1, "coupling": 2}
#: what protocols of a sweep are called, before the hyperparameters
SWEEP = "sweep"
#: measures that a method has with its defaults alone: tuning trials keep these numbers only
_OF_DEFAULTS = ("score", "time_to_target")
#: between the two factors of a bound
TIMES = " * "
#: between the names of several methods of which the best counts
SEPARATOR = ", "

MAX_TEXT = 300
MAX_CLAIMS = 30


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a paper about a method, at one task.

    `says`: the claim in one sentence. `task`: the task here that decides it. `method` and `rival`:
    names of methods such as `adamw+grokfast_ema`; an empty method is the optimizer alone, and a
    regularizer or schedule names one. Several untuned methods, "adam, lion, sgd", count as the one
    of them that is best on validation data.

    `measure`: what is compared, and `expect`: how.

    - "score" (the task's) and "time_to_target" (gradient evaluations until the task's target):
      the method is "better", "worse", "equal" or "not_worse" than the rival.
    - "column": the value of a column of the curve at its end, named by `quantity`; "lower",
      "higher" or "equal", as for the next ones.
    - "hyperparameter": the typical value of the hyperparameter `quantity` in good trials.
    - "sensitivity": what is lost on average by values of the hyperparameter `quantity` within a
      factor of ten of the best one, in a sweep of it.
    - "coupling": what is lost by one value of the second hyperparameter of `quantity` for all
      values of the first, "lr, weight_decay", in a sweep of both. Alternatives have a bar between
      them: "lr, weight_decay|strength".
    - "bound": the largest product of a column's largest value and a hyperparameter, in a sweep of
      it, `quantity` "largest_weight * weight_decay"; it is claimed to be at most `value`.
    - "diagnostic": the column `quantity` of a diagnostic at the end of a run, such as
      "hessian_sharpness_times_lr".
    - "correlation": the rank correlation over all methods with results on the task of a
      diagnostic and the score, or speed: "layer_rotation_mean, score", "…, time_to_target". Better
      scores and earlier times are higher; `value` is the correlation claimed, mostly 0.

    `factor`: how many times, as a ratio above 1, where the paper gives one; a claim without a
    factor is of the direction. `value`: the claimed value, where there is no rival. `untuned`:
    which of the two, "method", "rival" or "both", runs with its declared defaults.

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
    value: float | None = None
    untuned: Untuned = ""
    source: str = ""
    from_memory: bool = False

    @property
    def sweep(self) -> tuple[str, ...]:
        """The hyperparameters that studies of this claim sweep, alternatives in one text."""
        if self.measure == "bound":
            return (self.quantity.partition(TIMES)[2],)
        return tuple(self.quantity.split(SEPARATOR)) if self.measure in SWEPT else ()

    @property
    def protocol(self) -> str:
        """The protocol of the sweep; empty for a claim that any ranked protocol decides."""
        names = "_".join(self.sweep).replace("|", "_or_")
        return f"{SWEEP}_{names}" if names else ""


@dataclass(frozen=True)
class Stated:
    """A claim and the component or diagnostic whose file states it."""

    component: Component | Diagnostic
    claim: Claim

    @property
    def method(self) -> str:
        """The name of the method that the claim is about; of several, with commas between."""
        return self.claim.method or self.component.name

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of which the best counts; mostly one."""
        return tuple(self.method.split(SEPARATOR))

    @property
    def label(self) -> str:
        """The method where there is little room: "best of 8" if there are several."""
        return self.method if len(self.methods) == 1 else f"best of {len(self.methods)}"

    @property
    def needed(self) -> tuple[str, ...]:
        """The methods whose studies decide the claim, each once, the rival last.

        None of a correlation, which is over all methods that there are.
        """
        if self.claim.measure == "correlation":
            return ()
        return tuple(dict.fromkeys((*self.methods, *filter(None, [self.claim.rival]))))

    @property
    def source(self) -> str:
        """The paper that says so."""
        return self.claim.source or self.component.paper

    @property
    def compared(self) -> str:
        """What is compared with what, in words."""
        claim = self.claim
        if claim.measure == "correlation":
            column, outcome = claim.quantity.split(SEPARATOR)
            of = "speed" if outcome == "time_to_target" else "the score"
            value = f"{claim.expect} than {claim.value:g}"
            return f"rank correlation of {column} with {of} over methods {value}"
        what, preposition = _IN_WORDS[claim.measure]
        how = _TIMES[claim.expect] if claim.measure == "time_to_target" else claim.expect
        said = f"{how.replace('_', ' ')} {preposition} {what.format(claim.quantity)}"
        word = "than"
        if claim.expect == "equal":
            word = "as" if claim.measure == "time_to_target" else "to"
        rival = claim.rival or f"{claim.value:g}"
        if claim.untuned in ("rival", "both"):
            rival += " with its defaults"
        own = " with its defaults" if claim.untuned in ("method", "both") else ""
        times = f", {claim.factor:g} times" if claim.factor else ""
        return f"{said} {word} {rival}{times}" + (own and f";{own} itself")


_IN_WORDS = {
    "score": ("the score", "in"),
    "time_to_target": ("the target", "at"),
    "column": ("{} at the end", "in"),
    "hyperparameter": ("the tuned {}", "in"),
    "sensitivity": ("sensitivity to {}", "in"),
    "coupling": ("coupling of {}", "in"),
    "bound": ("{}", "in"),
    "diagnostic": ("{} at the end", "in"),
}
_TIMES = {"better": "sooner", "worse": "later", "equal": "as soon", "not_worse": "no later"}


def stated(components: Iterable[Component | Diagnostic]) -> list[Stated]:
    """All claims of components and diagnostics, in their order."""
    return [Stated(component, claim) for component in components for claim in component.claims]


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
        if not complaint and not (claim.method or alone or claim.measure == "correlation"):
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
    others = ("factor", "value", "from_memory")
    texts = {name: v for name, v in vars(claim).items() if name not in others}
    for name, text in texts.items():
        if not isinstance(text, str) or len(text) > MAX_TEXT or "\n" in text:
            return f"{name} is a text of one line and at most {MAX_TEXT} characters."
    for name in ("says", "task", "number", "place"):
        if not texts[name].strip():
            return f"{name} is empty."
    return _wrong_comparison(claim) or _wrong_numbers(claim)


def _wrong_comparison(claim: Claim) -> str:
    """What cannot be compared so; empty if everything can."""
    if claim.measure not in _EXPECTED:
        return f"measure is one of {', '.join(_EXPECTED)}, not {claim.measure!r}."
    expected = _EXPECTED[claim.measure]
    if claim.expect not in expected:
        return f"expect of a {claim.measure} is one of {', '.join(expected)}, not {claim.expect!r}."
    if claim.measure not in ("score", "time_to_target") and not claim.quantity:
        return f"a claim about a {claim.measure} names it: quantity='...'."
    count = SWEPT.get(claim.measure)
    if count is not None and len(claim.sweep) != count:
        return f"quantity of a {claim.measure} names {count} hyperparameters: {claim.quantity!r}."
    if claim.measure == "bound" and len(claim.quantity.split(TIMES)) != 2:
        return f"quantity of a bound is 'column * hyperparameter', not {claim.quantity!r}."
    if claim.measure == "correlation":
        parts = claim.quantity.split(SEPARATOR)
        if len(parts) != 2 or parts[1] not in OUTCOMES:
            return (
                "quantity of a correlation is 'column, score' or 'column, time_to_target', not "
                f"{claim.quantity!r}."
            )
        if claim.method or claim.rival:
            return "a correlation is over all methods: it names neither method nor rival."
    if claim.untuned not in ("", "method", "rival", "both"):
        return f"untuned is 'method', 'rival', 'both' or empty, not {claim.untuned!r}."
    if claim.untuned and claim.measure not in _OF_DEFAULTS:
        return f"untuned methods are compared by score or time_to_target, not by {claim.measure}."
    if SEPARATOR in claim.method and claim.untuned not in ("method", "both"):
        return "of several methods the best of the untuned counts: untuned='method'."
    if SEPARATOR in claim.rival:
        return "rival is one method."
    return ""


def _wrong_numbers(claim: Claim) -> str:
    """What is wrong with the factor or the value; empty if nothing is."""
    for name, number in (("factor", claim.factor), ("value", claim.value)):
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            return f"{name} is a number{' above 1' * (name == 'factor')}, not {number!r}."
    if claim.factor is not None and not 1 < claim.factor < float("inf"):
        return f"factor is a number above 1, not {claim.factor}: say the direction by `expect`."
    if claim.value is not None and not abs(claim.value) < float("inf"):
        return f"value is a finite number, not {claim.value}."
    if bool(claim.rival) == (claim.value is not None):
        return "what is it compared with? Name a rival='...', or give the claimed value=..."
    return ""
