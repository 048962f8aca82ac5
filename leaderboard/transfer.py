"""Rules of scaling, decided: whether the best value of a hyperparameter moves as a rule predicts.

A study sweeps the hyperparameter over a grid at each size of a task, in independent replicates. The
best value of a replicate is the vertex of the parabola through the best point of the grid and its
two neighbours, in the validation score against the logarithm of the value: between the points of
the grid, and never beyond the neighbours. The best values of a size and of the base are paired by
replicate seed; their mean log-ratio has Student's interval of 95 % over the replicates. The rule:

- A factor is **reproduced** if the interval holds it, and neither 1, no change, nor its square, a
  change twice as strong: a wide interval decides nothing.
- A rule that predicts no change is reproduced if the interval lies within a factor of 2 of 1.
- It is **not reproduced** if the interval leaves out what is predicted. Everything else is
  **undecided**, also if the best value is at an end of the grid in any replicate: what lies beyond
  is not known.

Where a rule has a constant that is fitted to the first size, each replicate's prediction is the one
from its own fit, and the interval is of the distance between both.

What a wrong prediction costs is the score at the predicted value less the best score of the grid,
between the grid's points along a straight line; beside it stands what the base's value costs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leaderboard.claims import Outcome
from leaderboard.measures import NotMeasured, number_of
from leaderboard.references import References
from leaderboard.selection import Group, method_of, select
from leaderboard.statistics import Interval, half_width
from suite.components.rules import UNCHANGED, Rule, Transfer
from suite.results.frames import Stored
from suite.results.model import Replicate, TaskRecord

#: positions of two values that count as one: values of a grid are rounded
_SAME = 1e-6


@dataclass(frozen=True)
class Optimum:
    """The best value of one replicate."""

    #: the logarithm of the compared quantity (`Rule.position`)
    position: float
    #: the grid's positions, rising, and the score at each, lower being better
    grid: tuple[float, ...]
    losses: tuple[float, ...]
    #: whether the best point is the first or last of the grid
    at_edge: bool

    def lost(self, position: float) -> float | None:
        """The score at a position less the grid's best; None outside of the grid."""
        if not self.grid[0] - _SAME <= position <= self.grid[-1] + _SAME:
            return None
        return float(np.interp(position, self.grid, self.losses)) - min(self.losses)


@dataclass(frozen=True)
class Moved:
    """One size of a rule and what the results say of it."""

    transfer: Transfer
    #: of the size, as in `transfer.sizes`
    number: int
    outcome: Outcome
    #: in words
    why: str
    #: the predicted factor; of a fitted rule the geometric mean over replicates; None if not known
    predicted: float | None = None
    #: the measured factor, the best value relative to that of the base
    factor: Interval | None = None
    #: geometric means over replicates of the best value: of the base, of the size, and as predicted
    base_value: float | None = None
    value: float | None = None
    predicted_value: float | None = None
    #: mean loss of score by the predicted value, and by that of the base; None outside of the grid
    lost: float | None = None
    lost_unchanged: float | None = None
    #: replicates that both sizes share
    replicates: int = 0
    #: the results that decided
    evidence: tuple[Stored, ...] = ()

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.transfer.rule

    @property
    def size(self) -> str:
        """The size, as it is listed."""
        return self.transfer.label(self.number)

    @property
    def shown(self) -> str:
        """The measured factor with its interval: "0.52 (0.4 to 0.7)"; empty if not known."""
        if self.factor is None:
            return ""
        return "{:.3g} ({:.3g} to {:.3g})".format(*self.factor)


class Undecided(Exception):
    """Results are there, and what they do not tell."""


def decide(
    transfers: Iterable[Transfer], stored: Iterable[Stored], references: References
) -> list[Moved]:
    """The verdict on each predicted size of each rule, in their order."""
    groups = {
        (group.task.name, group.protocol.name): group
        for group in select(stored, references)[0]
        if group.protocol.budget_fraction == 1
    }
    return [
        _decide(transfer, number, groups) for transfer in transfers for number in transfer.predicted
    ]


def _decide(transfer: Transfer, number: int, groups: Mapping[tuple[str, str], Group]) -> Moved:
    rule = transfer.rule
    needed = [0, *([1] if rule.fitted else []), number]
    items = [_item(transfer, of, groups) for of in needed]
    lacking = [transfer.label(of) for of, item in zip(needed, items, strict=True) if item is None]
    moved = Moved(transfer, number, "not run", "")
    if not rule.fitted:
        moved = replace(moved, predicted=transfer.factor(number))
    if lacking:
        return replace(moved, why=f"no sweep of {rule.method} on {' and '.join(lacking)}")
    there = tuple(item for item in items if item is not None)
    moved = replace(moved, outcome="undecided", evidence=there)
    try:
        tables = [optima(item, rule) for item in there]
        return _compared(moved, tables, [transfer.label(of) for of in needed])
    except (NotMeasured, Undecided) as error:
        return replace(moved, why=str(error))
    except (ValueError, ArithmeticError) as error:  # of the rule, for what was measured
        return replace(moved, why=f"the rule gives no factor for these results: {error}")


def _item(
    transfer: Transfer, number: int, groups: Mapping[tuple[str, str], Group]
) -> Stored | None:
    """The result of a size; None if there is none that may be compared."""
    group = groups.get((transfer.sizes[number].task, transfer.protocols[number]))
    found = () if group is None else group.comparable
    method = transfer.rule.method
    return next((item for item in found if method_of(item.result) == method), None)


def _compared(moved: Moved, tables: Sequence[Mapping[int, Optimum]], names: Sequence[str]) -> Moved:
    """The verdict from the best values of the base, of a fitted size, and of the size."""
    transfer, rule = moved.transfer, moved.rule
    seeds = sorted(set.intersection(*(set(table) for table in tables)))
    if len(seeds) < 2:
        raise Undecided(f"an interval needs 2 common replicates, there are {len(seeds)}")
    base, size = tables[0], tables[-1]
    ratios = [size[seed].position - base[seed].position for seed in seeds]
    fits = [tables[1][seed].position - base[seed].position for seed in seeds]
    expected = [
        math.log(transfer.factor(moved.number, math.exp(fit) if rule.fitted else None))
        for fit in fits
    ]
    at = [base[seed].position + e for seed, e in zip(seeds, expected, strict=True)]
    found = replace(
        moved,
        predicted=math.exp(statistics.fmean(expected)),
        factor=Interval(*map(math.exp, student(ratios))),
        base_value=rule.value(statistics.fmean(base[seed].position for seed in seeds)),
        value=rule.value(statistics.fmean(size[seed].position for seed in seeds)),
        predicted_value=rule.value(statistics.fmean(at)),
        lost=_mean(size[seed].lost(p) for seed, p in zip(seeds, at, strict=True)),
        lost_unchanged=_mean(size[seed].lost(base[seed].position) for seed in seeds),
        replicates=len(seeds),
    )
    for name, table in zip(names, tables, strict=True):
        edges = sum(table[seed].at_edge for seed in seeds)
        if edges:
            why = f"the best value of {name} is at an end of the grid in {edges} of {len(seeds)}"
            return replace(found, why=f"{why} replicates")
    distance = student([r - e for r, e in zip(ratios, expected, strict=True)])
    outcome, why = judge(student(ratios), distance, statistics.fmean(expected))
    return replace(found, outcome=outcome, why=why)


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean; None if one of them is not known."""
    found = list(values)
    known = [value for value in found if value is not None]
    return statistics.fmean(known) if len(known) == len(found) else None


def student(values: Sequence[float]) -> Interval:
    """The mean of independent values with Student's interval: at least two of them."""
    mean = statistics.fmean(values)
    half = half_width(statistics.stdev(values) / math.sqrt(len(values)), len(values) - 1)
    return Interval(mean, mean - half, mean + half)


def judge(ratio: Interval, distance: Interval, expected: float) -> tuple[Outcome, str]:
    """The outcome by the rule of this module, and why in words.

    All are logarithms: of the measured factor, of its distance from the prediction, and of the
    predicted factor.
    """
    _, low, high = ratio
    if math.isclose(expected, 0.0, abs_tol=_SAME):
        margin = math.log(UNCHANGED)
        if -margin < low and high < margin:
            return "reproduced", f"no change beyond a factor of {UNCHANGED:g}"
        if low > 0 or high < 0:
            return "not reproduced", "the best value moves"
        return "undecided", "the interval reaches beyond what counts as no change"
    # Without noise both agree to the last digits only.
    if distance.low > _SAME or distance.high < -_SAME:
        held = low <= 0 <= high
        opposite = high < 0 if expected > 0 else low > 0
        if held:
            return "not reproduced", "the interval holds 1, and not the predicted factor"
        if opposite:
            return "not reproduced", "the best value moves the other way"
        stronger = (distance.low > 0) == (expected > 0)
        return "not reproduced", f"it moves {'further' if stronger else 'less'} than predicted"
    if low <= 0 <= high:
        return "undecided", "the interval holds the predicted factor and 1, no change"
    if low <= 2 * expected <= high:
        return "undecided", "the interval also holds a change twice as strong as predicted"
    return "reproduced", "the interval holds the predicted factor, and not 1"


# -- the best value of a replicate ----------------------------------------------------------------


def optima(item: Stored, rule: Rule) -> dict[int, Optimum]:
    """The best value of each replicate, by its seed; raises NotMeasured."""
    result = item.result
    return {
        replicate.seed: _optimum(replicate, rule, result.task) for replicate in result.replicates
    }


def _optimum(replicate: Replicate, rule: Rule, task: TaskRecord) -> Optimum:
    sign = -1.0 if task.higher_is_better else 1.0
    points = sorted(
        (rule.position(number_of(run, rule.hyperparameter)), sign * run.validation_score)
        for run in replicate.tuning[1:]
    )
    if len(points) < 3:
        raise NotMeasured(f"a sweep of {rule.hyperparameter} has 3 points or more")
    return optimum(*zip(*points, strict=True))


def optimum(grid: Sequence[float], losses: Sequence[float]) -> Optimum:
    """The best position on a grid of rising positions (n,) by its losses (n,).

    The vertex of the parabola through the lowest point and its neighbours. Of equally low points
    the middle one counts: a plateau has its optimum inside, unless it reaches an end of the grid.
    """
    low = min(losses)
    lowest = [i for i, loss in enumerate(losses) if loss == low]
    i = lowest[len(lowest) // 2]
    if lowest[0] == 0 or lowest[-1] == len(grid) - 1:
        return Optimum(grid[i], tuple(grid), tuple(losses), at_edge=True)
    (x0, x1, x2), (y0, y1, y2) = grid[i - 1 : i + 2], losses[i - 1 : i + 2]
    left, right = (y0 - y1) / (x1 - x0), (y2 - y1) / (x2 - x1)
    if left + right <= 0:  # all three are equal
        return Optimum(x1, tuple(grid), tuple(losses), at_edge=False)
    # Both slopes are rises away from the lowest point: the vertex is within the half steps.
    vertex = x1 + (left * (x2 - x1) - right * (x1 - x0)) / (2 * (left + right))
    return Optimum(vertex, tuple(grid), tuple(losses), at_edge=False)
