"""Rankings over a track: the interquartile mean of scaled scores over its core tasks.

Core tasks are few, one or two of each family, so that a submission takes minutes and every method
can be complete. The record of the task says whether it is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from leaderboard.standings import Entry, TaskStanding, wholly_better
from leaderboard.statistics import Interval
from leaderboard.statistics.retired import generator, iqm_interval, mean_rank, win_probability
from suite.results.model import ProtocolRecord


@dataclass(frozen=True)
class TrackEntry:
    """One method over a track."""

    method: str
    #: its entry on each task where it is ranked, by the task's name
    entries: dict[str, Entry]
    iqm: Interval
    #: None if it has not run all tasks
    rank: int | None = None
    #: chance that its run beats another complete method's, mean over these methods and over tasks
    win_probability: float | None = None
    mean_rank: float | None = None

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
    #: those of them that were run under this one
    tasks: list[TaskStanding]
    #: tasks that do not count, because they have no reference
    raw: list[TaskStanding]
    #: all tasks run, best first
    complete: list[TrackEntry]
    #: some tasks only, most tasks first
    partial: list[TrackEntry]


def track_standings(standings: Iterable[TaskStanding]) -> list[TrackStanding]:
    """A ranking for every track and ranked protocol; the most complete protocol comes first."""
    standings = list(standings)
    groups: dict[tuple[str, str], list[TaskStanding]] = {}
    for standing in standings:
        if standing.protocol.ranked:
            key = (standing.task.track, standing.protocol.name)
            groups.setdefault(key, []).append(standing)
    counted: dict[str, set[str]] = {}
    for standing in standings:
        if standing.protocol.ranked and _counts(standing):
            counted.setdefault(standing.task.track, set()).add(standing.task.name)
    tracks = [_track(group, sorted(counted.get(track, ()))) for (track, _), group in groups.items()]
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


def _track(group: list[TaskStanding], counted: list[str]) -> TrackStanding:
    tasks = [standing for standing in group if _counts(standing)]
    raw = [standing for standing in group if standing.reference is None]
    track, protocol = group[0].task.track, group[0].protocol
    found: dict[str, dict[str, Entry]] = {}
    for standing in tasks:
        for entry in standing.ranked:
            found.setdefault(entry.method, {})[standing.task.name] = entry
    entries = [
        TrackEntry(method, by_task, _iqm(by_task, track, method, protocol.name))
        for method, by_task in sorted(found.items())
    ]
    complete = [entry for entry in entries if len(entry.entries) == len(counted)]
    partial = [entry for entry in entries if len(entry.entries) < len(counted)]
    partial.sort(key=lambda entry: (-len(entry.entries), -entry.iqm.value, entry.method))
    return TrackStanding(track, protocol, counted, tasks, raw, _ranked(complete, counted), partial)


def _iqm(by_task: dict[str, Entry], track: str, method: str, protocol: str) -> Interval:
    scores = [entry.scaled_scores for _, entry in sorted(by_task.items()) if entry.scaled_scores]
    return iqm_interval(scores, generator("track", track, method, protocol))


def _ranked(entries: list[TrackEntry], names: list[str]) -> list[TrackEntry]:
    if not entries:
        return []
    scores = [[entry.entries[name].scaled_scores or [] for entry in entries] for name in names]
    wins = win_probability(scores)
    ranks = mean_rank([[fmean(of_task[i]) for of_task in scores] for i in range(len(entries))])
    others = len(entries) - 1
    ranked = [
        TrackEntry(
            entry.method,
            entry.entries,
            entry.iqm,
            rank=1 + sum(wholly_better(other.iqm, entry.iqm) for other in entries),
            win_probability=float((wins[i].sum() - wins[i, i]) / others) if others else None,
            mean_rank=float(ranks[i]),
        )
        for i, entry in enumerate(entries)
    ]
    return sorted(ranked, key=lambda entry: (entry.rank, -entry.iqm.value, entry.method))
