"""A run and the same run again: whether they are equal, and where they first differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from suite.results.model import Curve, Run, TaskRecord
from suite.results.trimming import trimmed

#: "equal": to the bit; "close": every number within its tolerance
Outcome = Literal["equal", "close", "mismatch"]

#: a measured task's numbers may be so far apart where no difference was seen: results keep five or
#: six digits, and another processor may round the last one the other way
ROUNDING = 2e-5

_Column = Sequence[float | None]


@dataclass(frozen=True)
class Difference:
    """Where a quantity along two curves first differs, and how far apart it is at most.

    Apart by x is by x where the file says less than 1, and by x times what it says elsewhere: the
    loss of a trial that diverges is off by thousands, and must not allow others to be.
    """

    quantity: str
    #: gradient evaluations; None for what is about the whole run
    at: float | None
    said: float | None
    found: float | None
    largest: float

    @property
    def text(self) -> str:
        """In one line."""
        where = "" if self.at is None else f" after {self.at:g} gradient evaluations"
        return (
            f"{self.quantity}{where}: the file says {_shown(self.said)}, here {_shown(self.found)}"
        )


@dataclass(frozen=True)
class Comparison:
    """What a replay of one run has shown."""

    outcome: Outcome
    #: points of the curve that were compared
    points: int
    #: each quantity that differs
    differences: list[Difference] = field(default_factory=list)
    #: why it is a mismatch, or what makes it count as close
    reason: str = ""


def compare(
    said: Run,
    again: Run,
    task: TaskRecord,
    tolerances: Mapping[str, float] | None,
    *,
    exact: bool,
    whole: bool,
) -> Comparison:
    """Compare a run of a file with the same run again, as far as the latter went.

    `whole`: it was not stopped, so that score, status and cost are compared, too. Where `exact`,
    only equal bits pass; elsewhere each quantity may differ by its tolerance, and one without a
    tolerance not at all.
    """
    metric = task.metric
    said, again = trimmed(said, metric), trimmed(again, metric)
    points = len(again.curve.gradient_evaluations)
    found = list(_differences(said.curve, again.curve, points))
    ended = _how_they_ended(said, again, points, whole)
    if ended is not None:
        return Comparison("mismatch", points, found, ended)
    if whole:
        found += _of_the_whole(said, again)
    if not found:
        return Comparison("equal", points)
    if exact:
        return Comparison(
            "mismatch", points, found, "not equal to the bit on the same machine kind"
        )
    if tolerances is None:
        reason = "not equal to the bit, and no tolerance is measured for this task"
        return Comparison("mismatch", points, found, reason)
    for difference in found:
        allowed = max(tolerances.get(difference.quantity, 0.0), _rounding(difference))
        if difference.largest > allowed:
            reason = (
                f"{difference.quantity} differs by {difference.largest:.3g} (a share where it is "
                f"above 1), allowed {allowed:.3g}"
            )
            return Comparison("mismatch", points, found, reason)
    return Comparison("close", points, found)


def _rounding(difference: Difference) -> float:
    """How much the last digits of a measured number may say; where a point lies is counted."""
    counted = difference.at is None or difference.quantity == "gradient_evaluations"
    return 0.0 if counted else ROUNDING


def _how_they_ended(said: Run, again: Run, points: int, whole: bool) -> str | None:
    """Why a run cannot be the other one, from how far they went and their statuses."""
    there = len(said.curve.gradient_evaluations)
    if there < points:
        return f"the file's curve ends after {there} points, this one has {points}"
    stopped = again.status == "completed" and not whole
    if not stopped and again.status != said.status:
        return f"the file says {said.status}, here it {again.status}: {again.reason or 'its end'}"
    if not stopped and there != points:
        return f"the file's curve has {there} points, this one ends after {points}"
    return None


def _differences(said: Curve, again: Curve, points: int) -> Iterator[Difference]:
    """Every column that differs within the first points."""
    ours, theirs = _columns(again), _columns(said)
    at = again.gradient_evaluations
    for name in dict.fromkeys([*ours, *theirs]):
        if not points:
            return
        if name not in ours or name not in theirs:
            yield Difference(f"{name} is only in one of them", at[0], None, None, math.inf)
            continue
        pairs = list(zip(theirs[name][:points], ours[name][:points], strict=False))
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        if first is not None:
            yield Difference(name, at[first], *pairs[first], max(_apart(a, b) for a, b in pairs))


def _columns(curve: Curve) -> dict[str, _Column]:
    """All that a curve says, without times and diagnostics: a replay is looked at by none."""
    columns: dict[str, _Column] = {"gradient_evaluations": curve.gradient_evaluations}
    if curve.train_loss:
        columns["train_loss"] = curve.train_loss
    for split, metrics in (("validation", curve.validation), ("test", curve.test)):
        columns |= {f"{split} {name}": values for name, values in metrics.items()}
    return columns


def _of_the_whole(said: Run, again: Run) -> Iterator[Difference]:
    """Scores and charges, which only a whole run has."""
    pairs: list[tuple[str, float | None, float | None]] = [
        ("validation score", said.validation_score, again.validation_score),
        ("test score", said.test_score, again.test_score),
        ("time to target", said.time_to_target, again.time_to_target),
        ("steps", said.cost.steps, again.cost.steps),
        ("cost", said.cost.examples, again.cost.examples),
    ]
    for name, a, b in pairs:
        if a != b:
            yield Difference(name, None, a, b, _apart(a, b))


def _apart(said: float | None, found: float | None) -> float:
    if said == found:
        return 0.0
    if said is None or found is None:
        return math.inf
    return abs(said - found) / max(1.0, abs(said))


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"
