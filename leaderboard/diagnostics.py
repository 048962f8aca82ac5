"""What the diagnostics of results say, and what goes with it: generalization and speed.

Diagnostics are along the curves of evaluation runs (see docs/diagnostics.md). The thin results of a
board have none, so that files are read whole. Nothing here ranks a method.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from leaderboard.board import Board
from leaderboard.measures import Setting, score, time_to_target
from leaderboard.selection import method_of
from leaderboard.statistics import Floats, Interval
from leaderboard.statistics.intervals import half_width
from suite.results.files import read
from suite.results.model import ProtocolRecord, Replicate, Result, Run, TaskRecord

When = Literal["end", "mean"]
Outcome = Literal["generalization", "speed"]
#: methods that a correlation over methods needs
FEWEST = 5
_DRAWS = 2000
#: a correlation of 1 has no place on Fisher's scale
_MOST = 0.999


@dataclass(frozen=True)
class Diagnosed:
    """Results of a task under a protocol that may be compared and have diagnostics."""

    task: TaskRecord
    protocol: ProtocolRecord
    #: whole results, the best method first
    results: tuple[Result, ...]

    @property
    def units(self) -> dict[str, str]:
        """The columns that any of them has, and the unit of each."""
        return units_of(self.results)


def units_of(results: Iterable[Result]) -> dict[str, str]:
    """The columns with a value in any run, in the order of the diagnostics, and their units."""
    found: dict[str, str] = {}
    for result in results:
        there = {name for run in result.evaluation_runs for name in run.curve.diagnostics}
        for record in result.diagnostics:
            found |= {name: unit for name, unit in record.columns.items() if name in there}
    return dict(sorted(found.items()))


def read_diagnosed(board: Board, folder: str | Path) -> list[Diagnosed]:
    """The ranked results of a board that have diagnostics, read whole from its folder."""
    found = []
    for standings in board.tasks.values():
        for standing in standings:
            files = [entry.stored.path for entry in standing.ranked if entry.result.diagnostics]
            if files:
                results = tuple(read(Path(folder, file)) for file in files)
                found.append(Diagnosed(standing.task, standing.protocol, results))
    return found


# -- one number of each run ---------------------------------------------------------------------


def at_end(run: Run, column: str) -> float | None:
    """The value at a run's last evaluation; None where it was not measured."""
    values = run.curve.diagnostics.get(column)
    return values[-1] if values else None


def along(run: Run, column: str) -> float | None:
    """The mean of the values along a run; None without one."""
    values = [v for v in run.curve.diagnostics.get(column, []) if v is not None]
    return statistics.fmean(values) if values else None


_WHEN: dict[When, Callable[[Run, str], float | None]] = {"end": at_end, "mean": along}


def by_replicate(result: Result, column: str, when: When = "end") -> dict[int, float]:
    """The mean over its evaluation runs, by the replicate's seed; none where one has no value."""
    found = {replicate.seed: _mean(replicate, column, when) for replicate in result.replicates}
    return {seed: value for seed, value in found.items() if value is not None}


def _mean(replicate: Replicate, column: str, when: When) -> float | None:
    values = [_WHEN[when](run, column) for run in replicate.evaluation]
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if values and len(known) == len(values) else None


def end_interval(result: Result, column: str) -> Interval | None:
    """The mean at the end with Student's interval over replicates; None without a value.

    Each method has its own variance: that of a diagnostic grows with its size.
    """
    values = np.array(list(by_replicate(result, column).values()))
    if not len(values):
        return None
    count, mean = len(values), float(values.mean())
    error = float(values.std(ddof=1)) / count**0.5 if count > 1 else 0.0
    half = half_width(error, count - 1)
    return Interval(mean, mean - half, mean + half)


def outcome_of(result: Result, outcome: Outcome) -> dict[int, float]:
    """The test score of each replicate, or minus its time to target; higher is better."""
    if outcome == "speed":
        times = time_to_target(result, "", Setting())
        return {seed: -measured.value for seed, measured in times.items()}
    sign = 1.0 if result.task.higher_is_better else -1.0
    return {seed: sign * measured.value for seed, measured in score(result, "", Setting()).items()}


# -- correlations -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Correlation:
    """How a diagnostic and an outcome go together over methods."""

    column: str
    unit: str
    when: When
    outcome: Outcome
    #: Spearman's rank correlation within a task, the mean over tasks
    estimate: Interval
    tasks: int
    methods: int


@dataclass(frozen=True)
class _Points:
    """The replicates of the methods on one task: ranks of both numbers, and whose they are."""

    x: Floats
    y: Floats
    methods: list[str]


#: of one column
Row = dict[tuple[When, Outcome], Correlation]


def of_one_protocol(diagnosed: Sequence[Diagnosed]) -> list[Diagnosed]:
    """Those under the protocol with most results, so that a task counts once."""
    results = Counter[str]()
    for each in diagnosed:
        results[each.protocol.name] += len(each.results)
    protocol = max(sorted(results), key=results.__getitem__, default="")
    return [each for each in diagnosed if each.protocol.name == protocol]


def by_column(diagnosed: Sequence[Diagnosed]) -> dict[str, Row]:
    """The correlations of each column; columns without one are left out."""
    rows: dict[str, Row] = {}
    for one in correlations(diagnosed):
        rows.setdefault(one.column, {})[one.when, one.outcome] = one
    return rows


def correlations(diagnosed: Sequence[Diagnosed]) -> list[Correlation]:
    """Each column with generalization and with speed; pairs with too little data are left out."""
    found = []
    for column, unit in units_of(r for each in diagnosed for r in each.results).items():
        for when in _WHEN:
            for outcome in ("generalization", "speed"):
                one = correlation(diagnosed, column, outcome, when=when, unit=unit)
                if one is not None:
                    found.append(one)
    return found


def correlation(
    diagnosed: Sequence[Diagnosed],
    column: str,
    outcome: Outcome,
    *,
    when: When = "end",
    unit: str = "",
) -> Correlation | None:
    """The rank correlation of one column with an outcome; None with fewer than `FEWEST` methods.

    Points are replicates of methods, and the ranks are those of all points. A task where all
    values are equal says nothing. The interval's standard error is from a bootstrap that draws
    tasks, and methods with all their replicates on all tasks, since both are samples of what there
    is; it is Student's, with the methods less two as degrees of freedom, on Fisher's scale,
    artanh: percentiles of so few methods miss twice as often as they say.
    """
    points = [found for each in diagnosed if (found := _points(each, column, outcome, when))]
    methods = sorted({name for each in points for name in each.methods})
    if not points:
        return None
    generator = np.random.default_rng(0)
    equal = np.full(len(methods), 1 / len(methods))
    counts = generator.multinomial(len(methods), equal, _DRAWS).astype(float)
    place = {name: number for number, name in enumerate(methods)}
    whole = np.array([_weighted(each, np.ones((1, len(each.x))))[0] for each in points])
    drawn = np.stack(
        [_weighted(each, counts[:, [place[name] for name in each.methods]]) for each in points], 1
    )
    tasks = generator.multinomial(len(points), [1 / len(points)] * len(points), _DRAWS)
    known = np.isfinite(drawn) * tasks
    with np.errstate(invalid="ignore"):
        means = (np.nan_to_num(drawn) * known).sum(1) / known.sum(1)
    estimate = _interval(float(whole.mean()), means[np.isfinite(means)], len(methods))
    return Correlation(column, unit, when, outcome, estimate, len(points), len(methods))


def _interval(value: float, drawn: Floats, methods: int) -> Interval:
    """Of a correlation, from its bootstrapped values."""
    centre, z = (np.arctanh(np.clip(found, -_MOST, _MOST)) for found in (value, drawn))
    half = half_width(float(z.std()), methods - 2)
    low, high = (float(np.tanh(centre + side * half)) for side in (-1, 1))
    return Interval(value, min(low, value), max(high, value))


def _points(each: Diagnosed, column: str, outcome: Outcome, when: When) -> _Points | None:
    """None where a correlation has no meaning: few methods, equal values, a stream's speed."""
    if outcome == "speed" and each.task.stream:
        return None
    x, y, methods = [], [], []
    for result in each.results:
        values, outcomes = by_replicate(result, column, when), outcome_of(result, outcome)
        for seed in sorted(values.keys() & outcomes.keys()):
            x.append(values[seed])
            y.append(outcomes[seed])
            methods.append(method_of(result))
    if len(set(methods)) < FEWEST or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return _Points(rankdata(x), rankdata(y), methods)


def _weighted(points: _Points, weights: Floats) -> Floats:
    """Pearson's correlation under each row of weights, (draws, points); NaN if one is constant."""
    total = weights.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = points.x - weights @ points.x[:, None] / total
        y = points.y - weights @ points.y[:, None] / total
        spread = (weights * x**2).sum(1) * (weights * y**2).sum(1)
        return np.asarray((weights * x * y).sum(1) / np.sqrt(spread))
