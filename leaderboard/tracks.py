"""Standings over a track: the mean over families of the mean over their core tasks.

Core tasks are few, a handful of each family, so that a submission takes minutes and every method
can be complete. The record of the task says whether it is one. A task's scaled score is clipped to
`CLIP` in the headline: a method that fails a task pays for it, and no single task decides.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from leaderboard.selection import BASELINE
from leaderboard.standings import PRELIMINARY, Entry, TaskStanding, wholly_better
from leaderboard.statistics import (
    Interval,
    bootstrap,
    generator,
    percentile_interval,
    win_probability,
)
from leaderboard.tuning import clipped
from suite.results.model import ProtocolRecord

#: the family of tasks whose results do not name one (schema 1)
NO_FAMILY = "other"


@dataclass(frozen=True)
class Over:
    """Columns over a track, from the stored trials; means and medians are over its core tasks.

    Means are over families of the mean over their tasks, as the headline. None where not measured.
    """

    #: mean scaled validation score of the declared defaults, clipped; and what tuning adds to it
    out_of_the_box: float | None
    gain: float | None
    #: median over tasks of the expected trials until within 5% of tuned AdamW; may be infinite
    trials_needed: float | None
    #: mean loss of a drawn trial against the chosen one, in clipped scaled scores
    sensitivity: float | None
    #: share of tuning trials that did not complete
    failed_trials: float
    #: median over tasks of a step's seconds relative to AdamW's
    step_cost: float | None


@dataclass(frozen=True)
class TrackEntry:
    """One method over a track."""

    method: str
    #: its entry on each task where it is ranked, by the task's name
    entries: dict[str, Entry]
    #: mean over families of the mean over tasks of the clipped scaled score; over the tasks it ran
    headline: Interval
    #: the same within each family
    families: dict[str, Interval]
    #: core tasks that it has not run: it has no rank if there are any
    missing: list[str]
    #: the share of its tasks that it solved
    solved: float
    over: Over
    #: the first and last rank that it may have; None if it has not run all tasks
    ranks: tuple[int, int] | None = None
    #: no other method is better beyond doubt
    may_be_best: bool = False
    #: chance that its replicate beats AdamW's on a task, a tie counting half: mean over families of
    #: the mean over tasks; None for AdamW itself and without it
    beats_adamw: float | None = None

    @property
    def rank(self) -> int | None:
        """The first rank that it may have."""
        return None if self.ranks is None else self.ranks[0]

    @property
    def worst_family(self) -> tuple[str, float]:
        """The family with its lowest mean score, and this score."""
        name = min(self.families, key=lambda family: (self.families[family].value, family))
        return name, self.families[name].value

    @property
    def failures(self) -> int:
        """Runs that did not complete."""
        return sum(entry.failures.total() for entry in self.entries.values())


@dataclass(frozen=True)
class TrackStanding:
    """All methods over one track under one protocol."""

    track: str
    protocol: ProtocolRecord
    #: names of the tasks that count: core ones, run under any ranked protocol
    counted: list[str]
    #: the names of their families, in order
    families: list[str]
    #: those of them that were run under this one
    tasks: list[TaskStanding]
    #: tasks that do not count, because they have no reference
    raw: list[TaskStanding]
    #: all tasks run, best first
    complete: list[TrackEntry]
    #: some tasks only, most tasks first
    partial: list[TrackEntry]

    @property
    def preliminary(self) -> bool:
        """Whether the protocol has too few replicates to decide much."""
        return self.protocol.name in PRELIMINARY

    @property
    def entries(self) -> list[TrackEntry]:
        """The ranked, then the incomplete."""
        return [*self.complete, *self.partial]


def track_standings(standings: Iterable[TaskStanding]) -> list[TrackStanding]:
    """A standing for every track and ranked protocol; the most complete protocol comes first."""
    standings = list(standings)
    groups: dict[tuple[str, str], list[TaskStanding]] = {}
    for standing in standings:
        if standing.protocol.ranked:
            key = (standing.task.track, standing.protocol.name)
            groups.setdefault(key, []).append(standing)
    counted: dict[str, dict[str, str]] = {}
    for standing in standings:
        if standing.protocol.ranked and _counts(standing):
            family = standing.task.family or NO_FAMILY
            counted.setdefault(standing.task.track, {})[standing.task.name] = family
    tracks = [_track(group, counted.get(track, {})) for (track, _), group in groups.items()]
    order = {"mini": 0, "full": 1}
    return sorted(
        tracks,
        key=lambda t: (
            order[t.track],
            -sum(len(standing.ranked) for standing in [*t.tasks, *t.raw]),
            t.protocol.name,
        ),
    )


def _counts(standing: TaskStanding) -> bool:
    return standing.reference is not None and standing.task.core is True


def _track(group: list[TaskStanding], counted: Mapping[str, str]) -> TrackStanding:
    """`counted` are the tasks that count, with their families."""
    tasks = [standing for standing in group if _counts(standing)]
    raw = [standing for standing in group if standing.reference is None]
    track, protocol = group[0].task.track, group[0].protocol
    found: dict[str, dict[str, Entry]] = {}
    for standing in tasks:
        for entry in standing.ranked:
            found.setdefault(entry.method, {})[standing.task.name] = entry
    entries = [_entry(method, by_task, counted, track) for method, by_task in sorted(found.items())]
    complete = [entry for entry in entries if not entry.missing]
    partial = [entry for entry in entries if entry.missing]
    partial.sort(key=lambda entry: (len(entry.missing), -entry.headline.value, entry.method))
    return TrackStanding(
        track,
        protocol,
        counted=sorted(counted),
        families=sorted(set(counted.values())),
        tasks=tasks,
        raw=raw,
        complete=_ranked(complete, counted),
        partial=partial,
    )


def by_family(values: Mapping[str, float], families: Mapping[str, str]) -> float:
    """Mean over families of the mean over their tasks; `families` names each task's family."""
    grouped: dict[str, list[float]] = {}
    for task, value in values.items():
        grouped.setdefault(families[task], []).append(value)
    return statistics.fmean(statistics.fmean(each) for each in grouped.values())


def _entry(
    method: str, by_task: dict[str, Entry], counted: Mapping[str, str], track: str
) -> TrackEntry:
    scores = {
        task: [clipped(score) for score in entry.scaled_scores or ()]
        for task, entry in sorted(by_task.items())
    }
    names = sorted({counted[task] for task in scores})
    resampled: dict[str, list[np.ndarray]] = {name: [] for name in names}
    values: dict[str, list[float]] = {name: [] for name in names}
    for task, each in scores.items():
        protocol = by_task[task].result.protocol.name
        rng = generator("track", track, method, protocol, task)
        resampled[counted[task]].append(bootstrap(each, rng).mean(axis=1))
        values[counted[task]].append(statistics.fmean(each))
    means = {name: np.mean(resampled[name], axis=0) for name in names}
    families = {
        name: percentile_interval(statistics.fmean(values[name]), means[name]) for name in names
    }
    headline = percentile_interval(
        statistics.fmean(interval.value for interval in families.values()),
        np.mean(list(means.values()), axis=0),
    )
    return TrackEntry(
        method,
        by_task,
        headline,
        families,
        missing=sorted(counted.keys() - by_task.keys()),
        solved=statistics.fmean(entry.solved for entry in by_task.values()),
        over=_over(by_task, counted),
    )


def _over(by_task: Mapping[str, Entry], counted: Mapping[str, str]) -> Over:
    facts = {task: entry.tuning for task, entry in by_task.items()}

    def mean(values: Mapping[str, float | None]) -> float | None:
        known = {task: value for task, value in values.items() if value is not None}
        return by_family(known, counted) if known else None

    def median(values: Iterable[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    boxed = {t: f.out_of_the_box for t, f in facts.items()}
    tuned = mean({t: None if f.tuned is None else clipped(f.tuned) for t, f in facts.items()})
    untuned = mean({t: None if v is None else clipped(v) for t, v in boxed.items()})
    return Over(
        out_of_the_box=untuned,
        gain=None if tuned is None or untuned is None else tuned - untuned,
        trials_needed=median(entry.trials_needed for entry in by_task.values()),
        sensitivity=mean({t: f.sensitivity for t, f in facts.items()}),
        failed_trials=by_family({t: f.failed for t, f in facts.items()}, counted),
        step_cost=median(entry.step_cost for entry in by_task.values()),
    )


def _ranked(entries: list[TrackEntry], counted: Mapping[str, str]) -> list[TrackEntry]:
    baseline = next((entry for entry in entries if entry.method == BASELINE), None)
    ranked = []
    for entry in entries:
        better = sum(wholly_better(other.headline, entry.headline) for other in entries)
        worse = sum(wholly_better(entry.headline, other.headline) for other in entries)
        ranked.append(
            replace(
                entry,
                ranks=(1 + better, len(entries) - worse),
                may_be_best=better == 0,
                beats_adamw=_beats(entry, baseline, counted),
            )
        )
    return sorted(ranked, key=lambda entry: (-entry.headline.value, entry.method))


def _beats(
    entry: TrackEntry, baseline: TrackEntry | None, counted: Mapping[str, str]
) -> float | None:
    if baseline is None or entry.method == BASELINE:
        return None
    wins = {}
    for task, mine in entry.entries.items():
        theirs = baseline.entries[task]
        pair = [mine.scaled_scores or [], theirs.scaled_scores or []]
        wins[task] = float(win_probability([pair])[0, 1])
    return by_family(wins, counted)
