"""Claims, decided: whether what a paper says of a method holds in the results that are there.

The unit is the replicate: a method's value is one number of each (`leaderboard.measures`), a
method and its rival are paired by replicate seed, and the interval of their difference, of 95 %,
has a variance that is shared with the other methods of the task. The rule:

- A direction is **reproduced** if the whole interval is on the claimed side, **not reproduced** if
  it is on the other side, or within the margin that counts as equal.
- A claimed factor is reproduced if the interval's upper end reaches it and its lower end half of
  it on a log scale, so that a wide interval decides nothing; not reproduced if the whole interval
  is short of it.
- Equality is reproduced if the whole interval is within the margin, not reproduced if it is
  outside; "not worse" asks for one side of that.
- Everything else is **undecided**.

A target that was missed is censored: a rival that misses it leaves the ratio open above, a method
that misses it leaves it open below. The margins are those of `MARGINS`. Every claim is judged by
itself: of a hundred intervals, five may miss.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from leaderboard import diagnostics
from leaderboard.diagnostics import FEWEST, Diagnosed, correlation
from leaderboard.measures import (
    MEASURES,
    Measured,
    NotLookedAt,
    NotMeasured,
    Setting,
    score,
)
from leaderboard.references import Reference, References
from leaderboard.selection import Group, method_of, select
from leaderboard.statistics import Difference, Interval, Prior, difference, pool, pool_pairs
from suite.components.claims import SEPARATOR, Claim, Stated
from suite.results.frames import Stored
from suite.results.model import Result, TaskRecord

Outcome = Literal["reproduced", "not reproduced", "undecided", "not run"]
OUTCOMES: tuple[Outcome, ...] = ("reproduced", "not reproduced", "undecided", "not run")
#: replicate seed to the number of the replicate
Seeds = Mapping[int, Measured]

#: Differences that count as equal: of scores as a share of the task's scale, which is from untuned
#: SGD to tuned AdamW; of columns as a share of the larger mean; of correlations as they are; of the
#: others as a ratio.
MARGINS = {
    "score": 0.05,
    "sensitivity": 0.05,
    "coupling": 0.05,
    "column": 0.05,
    "time_to_target": 1.25,
    "hyperparameter": 2.0,
    "bound": 1.05,
    "diagnostic": 2.0,
    "correlation": 0.1,
}
_TIMES = "times"
#: measures of which the ratio is compared
_RATIOS = ("time_to_target", "hyperparameter", "bound", "diagnostic")
#: methods that are named one by one where it is said what was run
_NAMED = 8


@dataclass(frozen=True)
class Verdict:
    """A claim and what the results say of it."""

    stated: Stated
    outcome: Outcome
    #: in words
    why: str
    #: how much better, sooner, higher or larger the method is than its rival or the claimed value;
    #: None if it is not known. An end that a missed target leaves open is infinite, or a ratio of 0
    estimate: Interval | None = None
    #: of the estimate: "times", "of the task's scale", "of the score" or "of <column>"
    unit: str = ""
    #: replicates that the method and its rival share
    replicates: int = 0
    protocol: str = ""
    #: the results that decided
    evidence: tuple[Stored, ...] = ()

    @property
    def shown(self) -> str:
        """The estimate with its interval: "3.1 (2.2 to 4.4) times"; empty if it is not known."""
        if self.estimate is None:
            return ""
        value, low, high = self.estimate
        if self.unit != _TIMES:
            return f"{value:+.3g} ({low:+.3g} to {high:+.3g}) {self.unit}"
        if math.isinf(high):
            return f"above {low:.3g} times" if low > 0 else ""
        return (
            f"{value:.3g} ({low:.3g} to {high:.3g}) times"
            if low > 0
            else (f"below {high:.3g} times")
        )

    @property
    def tried(self) -> str:
        """How each method was run: trials, and the hyperparameters that were tuned or swept."""
        if len(self.evidence) > _NAMED:
            return f"{len(self.evidence)} methods, all that have the diagnostic here"
        return "; ".join(_tried(item.result) for item in self.evidence)


def _tried(result: Result) -> str:
    names = [name for part in result.method.components for name in part.search_space]
    over = f" over {', '.join(names)}" if names else ", nothing to tune"
    rules = result.protocol
    repeated = f"{len(result.replicates)} times " if len(result.replicates) > 1 else ""
    seeds = "1 seed" if rules.seeds == 1 else f"{rules.seeds} seeds"
    return f"{method_of(result)}: {repeated}{rules.trials} trials{over}, then {seeds}"


@dataclass(frozen=True)
class Comparison:
    """The advantage of a method over its rival or the claimed value; of a ratio, the logarithm."""

    #: an end that a missed target leaves open is infinite
    estimate: Interval
    #: advantages within it to both sides count as equal; None if the task has no scale
    margin: float | None
    #: the claimed factor, as a difference of logarithms
    factor: float | None = None

    def turned(self) -> Comparison:
        """The same with the sides exchanged, for a claim of the lower side."""
        value, low, high = self.estimate
        return replace(self, estimate=Interval(-value, -high, -low))


@dataclass(frozen=True)
class _Scale:
    """What a measure is compared in: `of` gives a number that is larger for better or higher."""

    unit: str
    of: Callable[[float], float]
    margin: float | None
    is_ratio: bool = False


def decide(
    claims: Iterable[Stated], stored: Iterable[Stored], references: References
) -> list[Verdict]:
    """The verdict of each claim from the results that are there, in the order of the claims."""
    evidence = Evidence(stored, references)
    return [evidence.decide(one) for one in claims]


class Evidence:
    """Results that may be compared, by task and protocol, and what was read from them."""

    def __init__(self, stored: Iterable[Stored], references: References) -> None:
        self._groups: dict[str, list[Group]] = {}
        for group in select(stored, references)[0]:
            if group.protocol.budget_fraction == 1:
                self._groups.setdefault(group.task.name, []).append(group)
        self._references = references
        self._read: dict[tuple[str, str, str, Setting], Seeds | NotMeasured] = {}

    def decide(self, one: Stated) -> Verdict:
        """What the results say of a claim."""
        if one.claim.measure == "correlation":
            return self._correlated(one)
        found = self._find(one)
        if isinstance(found, str):
            return Verdict(one, "not run", found)
        group, used = found
        try:
            verdict = self._verdict(one, group, used)
        except NotLookedAt as error:
            return Verdict(one, "not run", str(error))
        except NotMeasured as error:
            verdict = Verdict(one, "undecided", str(error))
        return replace(verdict, protocol=group.protocol.name, evidence=tuple(used.values()))

    def _find(self, one: Stated) -> tuple[Group, dict[str, Stored]] | str:
        """The group that has all methods of a claim, and their results; or what is missing.

        Of several protocols that all methods have, the one with most runs.
        """
        wanted = missing = list(one.needed)
        groups = [g for g in self._groups.get(one.claim.task, []) if _may_decide(g, one.claim)]
        for group in sorted(groups, key=_runs, reverse=True):
            # A method with the constant schedule has two names.
            there = {item.result.method.name: item for item in group.comparable}
            there |= {method_of(item.result): item for item in group.comparable}
            lacking = [name for name in wanted if name not in there]
            if not lacking:
                return group, {name: there[name] for name in wanted}
            missing = min(missing, lacking, key=len)
        under = f" under {one.claim.protocol}" if one.claim.protocol else ""
        return f"no result of {' and '.join(missing)} on {one.claim.task}{under}"

    def _correlated(self, one: Stated) -> Verdict:
        """The verdict of a correlation over methods, of the protocol with most that have both."""
        task, (column, of) = one.claim.task, one.claim.quantity.split(SEPARATOR)
        looked = [
            (group, [item for item in group.comparable if _has(item.result, column)])
            for group in self._groups.get(task, [])
            if group.protocol.ranked
        ]
        group, items = max(looked, key=lambda pair: len(pair[1]), default=(None, []))
        found = None
        if group is not None:
            results = tuple(item.result for item in items)
            outcome: diagnostics.Outcome = "generalization" if of == "score" else "speed"
            each = Diagnosed(group.task, group.protocol, results)
            found = correlation([each], column, outcome)
        if group is None or found is None:
            why = (
                f"fewer than {FEWEST} methods on {task} have the diagnostic {column}, or all are "
                "equal: `suite run` adds it with --probe"
            )
            return Verdict(one, "not run", why)
        estimate = Interval(*(end - (one.claim.value or 0.0) for end in found.estimate))
        said, why = judge(one.claim, Comparison(estimate, MARGINS["correlation"]))
        return Verdict(
            one, said, why, estimate, "of rank correlation", found.methods, group.protocol.name,
            tuple(items),
        )  # fmt: skip

    def _verdict(self, one: Stated, group: Group, used: Mapping[str, Stored]) -> Verdict:
        """The verdict of a claim whose results are there; raises NotMeasured."""
        claim, (own, others) = one.claim, _settings(one.claim)
        items = [used[name] for name in one.methods]
        method = _best_of([self._values(item, claim, own) for item in items], items, own)
        if claim.rival:
            rival = self._values(used[claim.rival], claim, others)
        else:
            assert claim.value is not None  # checked when it was declared
            rival = {seed: Measured(claim.value) for seed in method}
        seeds = sorted(method.keys() & rival.keys())
        if len(seeds) < 2:
            raise NotMeasured(f"an interval needs 2 common replicates, there are {len(seeds)}")
        scale = _scale(claim, group.task, self._references.get(group.task.name))
        mine, theirs = [method[seed] for seed in seeds], [rival[seed] for seed in seeds]
        a, b = ([scale.of(measured.value) for measured in side] for side in (mine, theirs))
        found = difference(a, b, self._prior(claim, group, own, scale))
        compared = _compared(claim, scale, mine, theirs, found)
        outcome, why = judge(claim, compared)
        shown = compared.estimate
        if scale.is_ratio:
            shown = Interval(*(math.exp(end) for end in shown))
        return Verdict(one, outcome, why, shown, scale.unit, len(seeds))

    def _values(self, item: Stored, claim: Claim, setting: Setting) -> Seeds:
        """The claim's measure of a result; raises NotMeasured."""
        key = (str(item.path), claim.measure, claim.quantity, setting)
        if key not in self._read:
            try:
                self._read[key] = MEASURES[claim.measure](item.result, claim.quantity, setting)
            except NotMeasured as error:
                self._read[key] = error
        found = self._read[key]
        if isinstance(found, NotMeasured):
            raise found
        return found

    def _prior(self, claim: Claim, group: Group, setting: Setting, scale: _Scale) -> Prior:
        """The variance that the methods of the task share, of the claim's measure."""
        rows = []
        for item in group.comparable:
            try:
                values = self._values(item, claim, setting)
                rows.append([scale.of(values[seed].value) for seed in sorted(values)])
            except NotMeasured:  # it says nothing about the others
                continue
        count = max(map(len, rows))
        table = np.array([row for row in rows if len(row) == count])
        return pool_pairs(table) if claim.rival else pool(table.var(axis=1, ddof=1), count - 1)


def _has(result: Result, column: str) -> bool:
    """Whether a diagnostic with this column has looked at a result."""
    return any(column in record.columns for record in result.diagnostics)


def _may_decide(group: Group, claim: Claim) -> bool:
    """Whether results of a group are of the kind that a claim needs."""
    if claim.protocol:
        return group.protocol.name == claim.protocol
    return group.protocol.ranked


def _runs(group: Group) -> int:
    result = group.comparable[0].result if group.comparable else None
    return sum(len(replicate.runs) for replicate in result.replicates) if result else 0


def _settings(claim: Claim) -> tuple[Setting, Setting]:
    """Which runs of the method and of the rival are compared.

    Trial 0 was measured on validation data only: what it is compared with is, too.
    """
    validation = bool(claim.untuned)
    return (
        Setting(claim.untuned in ("method", "both"), validation),
        Setting(claim.untuned in ("rival", "both"), validation),
    )


def _best_of(values: Sequence[Seeds], items: Sequence[Stored], setting: Setting) -> Seeds:
    """In each replicate the values of the method whose score is best; mostly there is one only."""
    if len(values) == 1:
        return values[0]
    scores = [score(item.result, "", setting) for item in items]
    sign = 1 if items[0].result.task.higher_is_better else -1
    common = set.intersection(*(set(found) for found in scores))
    return {
        seed: values[max(range(len(items)), key=lambda i: sign * scores[i][seed].value)][seed]
        for seed in common
    }


def _scale(claim: Claim, task: TaskRecord, reference: Reference | None) -> _Scale:
    """What the measure of a claim is compared in."""
    falls = claim.measure == "time_to_target" or (
        claim.measure == "score" and not task.higher_is_better
    )
    sign = -1.0 if falls else 1.0
    if claim.measure in _RATIOS or claim.factor is not None:
        margin = MARGINS[claim.measure]
        margin = margin if claim.measure in _RATIOS else 1 + margin
        return _Scale(_TIMES, lambda value: sign * _log(value), math.log(margin), True)
    if claim.measure == "column":
        return _Scale(f"of {claim.quantity}", lambda value: value, None)
    if reference is None or reference.task_version != task.version:
        return _Scale("of the score", lambda value: sign * value, None)
    length = abs(reference.tuned.mean - reference.untuned.mean)
    return _Scale("of the task's scale", lambda value: sign * value / length, MARGINS["score"])


def _log(value: float) -> float:
    if value <= 0:
        raise NotMeasured(f"there is no ratio of {value:g}, which is not above 0")
    return math.log(value)


def _compared(
    claim: Claim,
    scale: _Scale,
    mine: Sequence[Measured],
    theirs: Sequence[Measured],
    found: Difference,
) -> Comparison:
    """The advantage that was found; missed targets open its ends, and columns have own margins."""
    low = -math.inf if any(m.censored for m in mine) else found.low
    high = math.inf if any(t.censored for t in theirs) else found.high
    margin = scale.margin
    if claim.measure == "column" and not scale.is_ratio:
        means = (statistics.fmean(m.value for m in side) for side in (mine, theirs))
        margin = MARGINS["column"] * max(map(abs, means))
    factor = None if claim.factor is None else math.log(claim.factor)
    return Comparison(Interval(found.value, low, high), margin, factor)


# -- the rule -------------------------------------------------------------------------------------


def judge(claim: Claim, compared: Comparison) -> tuple[Outcome, str]:
    """The outcome by the rule of this module, and why in words."""
    if claim.expect in ("equal", "not_worse"):
        return _judge_equal(compared, one_side=claim.expect == "not_worse")
    if claim.measure == "bound":
        return _judge_equal(compared.turned(), one_side=True)
    return _judge_direction(compared.turned() if claim.expect in ("worse", "lower") else compared)


def _judge_direction(compared: Comparison) -> tuple[Outcome, str]:
    """Of a claim that the advantage is above 0, or at least a factor."""
    _, low, high = compared.estimate
    margin, factor = compared.margin, compared.factor
    if high < 0:
        return "not reproduced", "the opposite holds"
    if factor is not None:
        if high < factor:
            holds = "; the direction holds" if low > 0 else ""
            return "not reproduced", f"clearly short of the claimed factor{holds}"
        if low >= (factor / 2 if math.isfinite(high) else factor):
            return "reproduced", "the claimed factor is reached"
        return "undecided", _why_undecided(
            compared, "the interval holds the factor and values clearly short of it"
        )
    if low > 0:
        return "reproduced", "the whole interval is on the claimed side"
    if margin is not None and -margin < low and high < margin:
        return "not reproduced", "no difference beyond what counts as equal"
    return "undecided", _why_undecided(compared, "the interval reaches both sides")


def _judge_equal(compared: Comparison, *, one_side: bool) -> tuple[Outcome, str]:
    """Of a claim that the advantage is 0, or with `one_side` not below it."""
    _, low, high = compared.estimate
    margin = compared.margin
    if margin is None:
        return "undecided", "the task has no scale to say what counts as equal"
    if low > -margin and (one_side or high < margin):
        return "reproduced", "the whole interval is within what counts as equal" + (
            " or better" if one_side else ""
        )
    if high < -margin or (low > margin and not one_side):
        return "not reproduced", "the whole interval is outside what counts as equal"
    return "undecided", _why_undecided(
        compared, "only a part of the interval is within what counts as equal"
    )


def _why_undecided(compared: Comparison, otherwise: str) -> str:
    ends = [math.isinf(end) for end in compared.estimate[1:]]
    if all(ends):
        return "both missed the target in some runs: their ratio is not known"
    return f"a target was missed, and {otherwise}" if any(ends) else otherwise
