"""What a board says about each family of tasks, in parts that a page makes a sentence of.

"language: X, tied with Y, needs 0.8 of AdamW's budget."
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from leaderboard.standings import Entry, TaskStanding
from leaderboard.statistics import Floats, Interval, TrackComparisons
from leaderboard.tracks import NO_FAMILY, TrackStanding, compare_methods
from suite.results.model import Run

#: points of a mean learning curve
_POINTS = 200


@dataclass(frozen=True)
class FamilyResult:
    """The methods that ran all core tasks of one family on one track."""

    family: str
    #: names of its core tasks
    tasks: list[str]
    #: every pair of these methods, by the mean over the family's tasks; best first
    comparisons: TrackComparisons
    #: the share of AdamW's budget at which the best method reaches tuned AdamW's result; see
    #: `budget_ratio`. The median over tasks: infinite if it does not on half of them; None if
    #: AdamW is the best or has not run, or if no task of the family can tell
    budget_ratio: float | None

    @property
    def best(self) -> str:
        """The method with the highest mean over the family's tasks."""
        return self.comparisons.methods[0]

    @property
    def score(self) -> Interval:
        """The best method's mean clipped scaled score over the family's tasks."""
        return self.comparisons.means[self.best]

    @property
    def tied(self) -> tuple[str, ...]:
        """The methods that are tied with the best, best score first."""
        return self.comparisons.tied_with(self.best)


def family_results(track: TrackStanding) -> list[FamilyResult]:
    """One for each family whose tasks some method ran all, in order of the families' names."""
    found = []
    for family in track.families:
        standings = [s for s in track.tasks if (s.task.family or NO_FAMILY) == family]
        ranked = {entry.method: entry.entries for entry in track.entries}
        own = {task: family for task in track.counted if track.family_of[task] == family}
        methods = {method for method, entries in ranked.items() if own.keys() <= entries.keys()}
        compared = compare_methods(ranked, methods, own)
        if compared is None:
            continue
        best = ranked[compared.methods[0]]
        found.append(FamilyResult(family, sorted(own), compared, _median_ratio(best, standings)))
    return found


def _median_ratio(best: Mapping[str, Entry], standings: Iterable[TaskStanding]) -> float | None:
    ratios = []
    for standing in standings:
        baseline, entry = standing.baseline, best.get(standing.task.name)
        if baseline is not None and entry is not None and entry is not baseline:
            ratios.append(budget_ratio(entry, baseline))
    known = [ratio for ratio in ratios if ratio is not None]
    return statistics.median(known) if known else None


def budget_ratio(entry: Entry, baseline: Entry) -> float | None:
    """The share of the baseline's budget after which a method has the baseline's final result.

    For a time to target: the ratio of the mean times, infinite if some run of the method missed
    the target, None if one of the baseline did. Otherwise the first evaluation at which the
    method's mean test curve is as good as the baseline's mean final value, over the baseline's
    budget; infinite if it never is. Both are over runs that completed. None for streams and for
    means over the budget, where the end of the curve is not the score, and if no run of the
    baseline completed.
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
