"""What a board says about each family of tasks, in parts that a page makes a sentence of.

"language: X, tied with Y, needs 0.8 of AdamW's budget."
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leaderboard.standings import Entry, TaskStanding, wholly_better
from leaderboard.statistics import Floats
from leaderboard.tracks import NO_FAMILY, TrackEntry, TrackStanding
from suite.results.model import Run

#: points of a mean learning curve
_POINTS = 200


@dataclass(frozen=True)
class FamilyResult:
    """The best methods of one family of core tasks on one track."""

    family: str
    #: names of its core tasks
    tasks: list[str]
    #: the method with the highest mean over its tasks, and this score
    best: str
    score: float
    #: methods that are not worse beyond doubt, best score first
    tied: list[str]
    #: the share of AdamW's budget at which the best reaches tuned AdamW's result; see
    #: `budget_ratio`. The median over tasks: infinite if it does not on half of them; None without
    #: AdamW, or if no task of the family can tell
    budget_ratio: float | None


def family_results(track: TrackStanding) -> list[FamilyResult]:
    """One for each family in which a complete method has a score, in order of the names."""
    found = []
    for family in track.families:
        entries = [entry for entry in track.complete if family in entry.families]
        entries.sort(key=lambda entry: (-entry.families[family].value, entry.method))
        if not entries:
            continue
        standings = [s for s in track.tasks if (s.task.family or NO_FAMILY) == family]
        best, *others = entries
        mine = best.families[family]
        found.append(
            FamilyResult(
                family,
                tasks=sorted(standing.task.name for standing in standings),
                best=best.method,
                score=mine.value,
                tied=[o.method for o in others if not wholly_better(mine, o.families[family])],
                budget_ratio=_median_ratio(best, standings),
            )
        )
    return found


def _median_ratio(best: TrackEntry, standings: Iterable[TaskStanding]) -> float | None:
    ratios = []
    for standing in standings:
        baseline, entry = standing.baseline, best.entries.get(standing.task.name)
        if baseline is not None and entry is not None:
            ratios.append(budget_ratio(entry, baseline))
    known = [ratio for ratio in ratios if ratio is not None]
    return statistics.median(known) if known else None


def budget_ratio(entry: Entry, baseline: Entry) -> float | None:
    """The share of the baseline's budget after which a method has the baseline's final result.

    For a time to target: the ratio of the mean times, infinite if some run of the method missed
    the target, None if one of the baseline did. Otherwise the first evaluation at which the
    method's mean test curve is as good as the baseline's mean final value, over the baseline's
    budget; infinite if it never is. Both are over runs that completed. None for streams, whose
    score is no final value, and without a curve.
    """
    task = entry.result.task
    if task.score == "time_to_target":
        mine, theirs = entry.times_to_target, baseline.times_to_target
        if not all(map(math.isfinite, theirs)):
            return None
        # A run that holds the target from the start takes no time.
        return statistics.fmean(mine) / max(statistics.fmean(theirs), 1.0)
    if task.stream or task.score == "mean" or baseline.metric is None:
        return None
    at, values = mean_curve(entry.evaluation, task.metric)
    if not len(at):
        return math.inf
    good = values >= baseline.metric if task.higher_is_better else values <= baseline.metric
    reached = float(at[np.argmax(good)]) if good.any() else math.inf
    return reached / (task.budget / task.batch_size)


def mean_curve(runs: Iterable[Run], metric: str) -> tuple[Floats, Floats]:
    """The mean test curve of completed runs: gradient evaluations and values, each (points,)."""
    done = [run for run in runs if run.status == "completed" and run.curve.test.get(metric)]
    if not done:
        return np.empty(0), np.empty(0)
    at = np.unique(np.concatenate([run.curve.gradient_evaluations for run in done]))
    if len(at) > _POINTS:
        at = at[np.unique(np.linspace(0, len(at) - 1, _POINTS).round().astype(int))]
    curves = [np.interp(at, run.curve.gradient_evaluations, run.curve.test[metric]) for run in done]
    return at, np.asarray(np.mean(curves, axis=0))
