"""The headline of a track and the other numbers over several tasks.

The headline is the mean over families of the mean over a family's core tasks of the scaled score,
each replicate's score clipped to [0, 1.2]: one catastrophic replicate costs as much as one that
learned nothing, and one easy task cannot pay for others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.statistics.comparisons import (
    Comparisons,
    _pair_variances,
    _variances,
    compare,
    pool_pairs,
    score_table,
)
from leaderboard.statistics.intervals import Interval, detectable_difference, half_width
from leaderboard.statistics.variances import Floats, pool

#: the range that scaled scores are clipped to: untuned SGD is 0, tuned AdamW 1
CLIP = (0.0, 1.2)
#: a task is solved from this mean scaled score on
SOLVED = 0.9


@dataclass(frozen=True)
class Overall:
    """One method over a track."""

    #: the mean over families of the mean over tasks; its interval is about repeating all studies
    #: on these tasks
    headline: Interval
    #: the same estimate; its interval is about other tasks of the same families
    other_tasks: Interval
    #: the mean over tasks of each family
    families: dict[str, Interval]
    #: core tasks with a mean scaled score of at least SOLVED, and all of them
    solved: int
    tasks: int
    #: probability that a replicate beats the baseline's, ties one half; None without a baseline
    beats_baseline: float | None

    @property
    def worst_family(self) -> str:
        """The family with the lowest mean; the first of several in the alphabet."""
        return min(sorted(self.families), key=lambda family: self.families[family].value)


@dataclass(frozen=True, eq=False)
class TrackComparisons(Comparisons):
    """Every pair of methods compared by the headline, and each method's other numbers."""

    overall: dict[str, Overall]


def track_comparisons(
    scores: Mapping[str, Mapping[str, Mapping[str, ArrayLike]]],
    *,
    baseline: str | None = "adamw",
    among: Collection[str] | None = None,
) -> TrackComparisons:
    """Compare methods over a track: family to task to method to scaled scores, (replicates,) each.

    Higher is better. Position r holds the same replicate of every method of a task. `among`: the
    methods to compare, by default all; variances are shared among all in either case. A baseline
    that is not among the methods gives no probability of beating it. Raises ValueError if a
    method lacks a task.
    """
    tables, names, weights = _tables(scores)
    clipped = [np.clip(table, *CLIP) for table in tables.values()]
    shares = np.array(list(weights.values()))
    variances, dof = _moderated_means(clipped)
    pair_variances, pair_dof, detectable = _moderated_pairs(clipped, shares)
    chosen = [name for name in names if among is None or name in among]
    means = np.stack([table.mean(axis=1) for table in clipped])
    overall = {
        name: _overall(
            scores, tables, means[:, i], variances[:, i], dof, shares, names, i, baseline
        )
        for i, name in enumerate(names)
        if name in chosen
    }
    keep = [names.index(name) for name in chosen]
    found = compare(
        {name: overall[name].headline for name in chosen},
        np.sqrt(pair_variances)[np.ix_(keep, keep)],
        pair_dof[np.ix_(keep, keep)],
        higher_is_better=True,
        detectable=detectable,
    )
    return TrackComparisons(**vars(found), overall={name: overall[name] for name in found.methods})


def beats(mine: ArrayLike, theirs: ArrayLike) -> float:
    """Share of replicates, paired by position, in which the first scores higher; ties one half."""
    first, second = np.asarray(mine, float), np.asarray(theirs, float)
    return float(((first > second) + 0.5 * (first == second)).mean())


def _tables(
    scores: Mapping[str, Mapping[str, Mapping[str, ArrayLike]]],
) -> tuple[dict[str, Floats], list[str], dict[str, float]]:
    """The scores of each task, (methods, replicates); the methods; each task's weight."""
    tables, weights, names = {}, {}, list[str]()
    for tasks in scores.values():
        for task, of_task in tasks.items():
            names = names or list(of_task)
            if set(of_task) != set(names):
                missing = ", ".join(sorted(set(of_task) ^ set(names)))
                raise ValueError(f"{task} and another task do not have the same methods: {missing}")
            tables[task], _ = score_table({name: of_task[name] for name in names})
            weights[task] = 1 / (len(scores) * len(tasks))
    if not tables:
        raise ValueError("a track without tasks has no headline")
    return tables, names, weights


def _moderated_means(tables: list[Floats]) -> tuple[Floats, Floats]:
    """Variance of each method's mean on each task, (tasks, methods), and its degrees."""
    variances, dof = [], []
    for table in tables:
        count = table.shape[1]
        sample = _variances(table)
        variance, degrees = pool(sample, count - 1).moderated(sample, count - 1)
        variances.append(variance / count)
        dof.append(degrees)
    return np.stack(variances), np.stack(dof)


def _moderated_pairs(tables: list[Floats], shares: Floats) -> tuple[Floats, Floats, float]:
    """Variances of all differences of headlines, their degrees, the difference detected."""
    total, square = np.zeros(()), np.zeros(())
    typical = 0.0
    for table, share in zip(tables, shares, strict=True):
        count = table.shape[1]
        prior = pool_pairs(table)
        variance, degrees = prior.moderated(_pair_variances(table), count - 1)
        part = share**2 * variance / count
        total = total + part
        square = square + part**2 / degrees
        typical += (share * detectable_difference(prior, count)) ** 2
    return total, _satterthwaite(total, square), math.sqrt(typical)


def _satterthwaite(total: Floats, square: Floats) -> Floats:
    """Degrees of freedom of a sum of variances; infinite where nothing varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(square > 0, total**2 / square, math.inf))


def _overall(
    scores: Mapping[str, Mapping[str, Mapping[str, ArrayLike]]],
    tables: dict[str, Floats],
    means: Floats,
    variances: Floats,
    dof: Floats,
    shares: Floats,
    names: list[str],
    i: int,
    baseline: str | None,
) -> Overall:
    positions = {task: t for t, task in enumerate(tables)}
    families, between = {}, []
    for family, tasks in scores.items():
        own = [positions[task] for task in tasks]
        weights = np.full(len(own), 1 / len(own))
        families[family] = _weighted(means[own], variances[own], dof[own, i], weights)
        between.append(means[own])
    headline = _weighted(means, variances, dof[:, i], shares)
    probability = None
    if baseline in names:
        b = names.index(baseline)
        wins = [beats(table[i], table[b]) for table in tables.values()]
        probability = float(np.dot(shares, wins))
    return Overall(
        headline=headline,
        other_tasks=_other_tasks(headline, between),
        families=families,
        solved=int((means >= SOLVED).sum()),
        tasks=len(means),
        beats_baseline=probability,
    )


def _weighted(means: Floats, variances: Floats, dof: Floats, weights: Floats) -> Interval:
    """The weighted mean with its interval, which stays within CLIP."""
    parts = weights**2 * variances
    total = np.asarray(parts.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.asarray(np.where(parts > 0, parts**2 / dof, 0.0).sum())
    degrees = float(_satterthwaite(total, square))
    return _clipped(float(np.dot(weights, means)), math.sqrt(total), degrees)


def _other_tasks(headline: Interval, between: list[Floats]) -> Interval:
    """The headline with an interval for tasks drawn anew within families.

    The variance of a family's mean is the variance between its task means, replicates' noise
    included, over their number; a family with one task takes the mean variance of the others.
    """
    known = [float(means.var(ddof=1)) for means in between if len(means) > 1]
    if not known:
        return Interval(headline.value, *CLIP)
    typical = float(np.mean(known))
    parts, square = [], 0.0
    for means in between:
        variance = float(means.var(ddof=1)) if len(means) > 1 else typical
        part = variance / len(means) / len(between) ** 2
        parts.append(part)
        square += part**2 / max(len(means) - 1, 1)
    total = sum(parts)
    degrees = float(_satterthwaite(np.asarray(total), np.asarray(square)))
    wide = _clipped(headline.value, math.sqrt(total), degrees)
    return Interval(wide.value, min(wide.low, headline.low), max(wide.high, headline.high))


def _clipped(value: float, error: float, dof: float) -> Interval:
    half = half_width(error, dof)
    return Interval(value, max(value - half, CLIP[0]), min(value + half, CLIP[1]))
