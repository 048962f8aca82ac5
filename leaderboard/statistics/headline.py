"""The headline of a track and the other numbers over several tasks.

The headline is the mean over families of the mean over a family's core tasks of the scaled score,
each replicate's score clipped to [0, 1.2]: one catastrophic replicate costs as much as one that
learned nothing, and one easy task cannot pay for others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.statistics.comparisons import Comparisons, compare, score_table
from leaderboard.statistics.intervals import Interval, half_width, interval
from leaderboard.statistics.sharing import estimates, methods_prior
from leaderboard.statistics.variances import Floats

#: the range that scaled scores are clipped to: untuned SGD is 0, tuned AdamW 1
CLIP = (0.0, 1.2)
#: a task is solved from this mean scaled score on
SOLVED = 0.9

#: family to task to method to scaled scores, (replicates,) each
TrackScores = Mapping[str, Mapping[str, Mapping[str, ArrayLike]]]


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
    #: probability that a replicate beats the baseline's, ties one half, every family with the
    #: same weight; None without a baseline
    beats_baseline: float | None

    @property
    def worst_family(self) -> str:
        """The family with the lowest mean; the first of several in the alphabet."""
        return min(sorted(self.families), key=lambda family: self.families[family].value)


@dataclass(frozen=True, eq=False)
class TrackComparisons(Comparisons):
    """Every pair of methods compared by the headline, and each method's other numbers."""

    overall: dict[str, Overall]


@dataclass(frozen=True, eq=False)
class _Track:
    """The scores of a track as arrays."""

    names: list[str]
    #: (tasks, methods, replicates), as given
    scaled: Floats
    #: each task's family
    families: list[str]

    @property
    def clipped(self) -> Floats:
        return np.asarray(np.clip(self.scaled, *CLIP))

    def of(self, family: str) -> list[int]:
        """The positions of a family's tasks."""
        return [t for t, name in enumerate(self.families) if name == family]

    @property
    def weights(self) -> Floats:
        """Each task's weight: families have the same, and so have the tasks of a family."""
        count = len(set(self.families))
        return np.array([1 / count / len(self.of(family)) for family in self.families])


def track_comparisons(
    scores: TrackScores, *, baseline: str | None = "adamw", among: Collection[str] | None = None
) -> TrackComparisons:
    """Compare methods over a track: family to task to method to scaled scores, (replicates,) each.

    Higher is better. Position r holds the same replicate of every method. `among`: the methods to
    compare, by default all; variances are shared among all in either case. A baseline that is not
    among all methods gives no probability of beating it. Raises ValueError if methods lack a task
    or have different numbers of replicates.
    """
    track = _arrays(scores)
    found = compare(
        track.clipped, track.weights, track.names, higher_is_better=True, bounds=CLIP, among=among
    )
    families = {family: _family_means(track, family) for family in scores}
    overall = {
        name: _overall(track, name, found.means[name], families, baseline) for name in found.methods
    }
    return TrackComparisons(**vars(found), overall=overall)


def beats(mine: ArrayLike, theirs: ArrayLike) -> float:
    """Share of replicates, paired by position, in which the first scores higher; ties one half."""
    first, second = np.asarray(mine, float), np.asarray(theirs, float)
    return float(((first > second) + 0.5 * (first == second)).mean())


def _arrays(scores: TrackScores) -> _Track:
    tables, families, names = list[Floats](), list[str](), list[str]()
    for family, tasks in scores.items():
        for task, of_task in tasks.items():
            names = names or list(of_task)
            if set(of_task) != set(names):
                missing = ", ".join(sorted(set(of_task) ^ set(names)))
                raise ValueError(f"{task} and another task do not have the same methods: {missing}")
            table, _ = score_table({name: of_task[name] for name in names})
            if tables and table.shape != tables[0].shape:
                raise ValueError(
                    f"{task} has {table.shape[1]} replicates, another task {tables[0].shape[1]}"
                )
            tables.append(table)
            families.append(family)
    if not tables:
        raise ValueError("a track without tasks has no headline")
    return _Track(names, np.stack(tables), families)


def _family_means(track: _Track, family: str) -> dict[str, Interval]:
    """Each method's mean over a family's tasks."""
    tables = track.clipped[track.of(family)]
    weights = np.full(len(tables), 1 / len(tables))
    prior = methods_prior(tables, weights)
    found = estimates(tables, weights, prior)
    return {
        name: interval(float(value), float(error), float(dof), prior, CLIP)
        for name, value, error, dof in zip(track.names, *found, strict=True)
    }


def _overall(
    track: _Track,
    name: str,
    headline: Interval,
    families: dict[str, dict[str, Interval]],
    baseline: str | None,
) -> Overall:
    position = track.names.index(name)
    means = track.clipped[:, position].mean(axis=1)
    probability = None
    if baseline in track.names:
        theirs = track.scaled[:, track.names.index(baseline)]
        wins = [beats(*both) for both in zip(track.scaled[:, position], theirs, strict=True)]
        probability = float(np.dot(track.weights, wins))
    by_family = [means[track.of(family)] for family in families]
    return Overall(
        headline=headline,
        other_tasks=_other_tasks(headline, by_family),
        families={family: found[name] for family, found in families.items()},
        solved=int((means >= SOLVED).sum()),
        tasks=len(means),
        beats_baseline=probability,
    )


def _other_tasks(headline: Interval, by_family: list[Floats]) -> Interval:
    """The headline with an interval for tasks drawn anew within the same families.

    `by_family` holds the means of each family's tasks. Their variance within families, replicates'
    noise included, is one for all families: three tasks alone would say little about it. With one
    task in every family, nothing is known.
    """
    dof = sum(len(means) - 1 for means in by_family)
    if dof == 0:
        return Interval(headline.value, *CLIP)
    squares = sum(float(((means - means.mean()) ** 2).sum()) for means in by_family)
    inverse = sum(1 / len(means) for means in by_family) / len(by_family) ** 2
    half = half_width((squares / dof * inverse) ** 0.5, dof)
    return Interval(
        headline.value,
        min(headline.low, max(headline.value - half, CLIP[0])),
        max(headline.high, min(headline.value + half, CLIP[1])),
    )
