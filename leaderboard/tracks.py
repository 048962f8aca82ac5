"""Standings over a track: the mean over families of the mean over their core tasks.

Core tasks are few, a handful of each family, so that a submission takes minutes and every method
can be complete. The record of the task says whether it is one. A task's scaled score is clipped to
`CLIP` in the headline: a method that fails a task pays for it, and no single task decides.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from leaderboard.selection import BASELINE
from leaderboard.standings import PRELIMINARY, Entry, TaskStanding
from leaderboard.statistics import Interval, Overall, Rank, TrackComparisons, track_comparisons
from leaderboard.tuning import clipped
from suite.results.model import ProtocolRecord

#: method to its ranked entries by task
Found = Mapping[str, Mapping[str, Entry]]
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
    """One method over a track; over the tasks that it ran, if it did not run all."""

    method: str
    #: its entry on each task where it is ranked, by the task's name
    entries: dict[str, Entry]
    #: the headline and each family's mean with intervals, tasks solved, chance of beating AdamW
    overall: Overall
    over: Over
    #: core tasks that it has not run: it has no rank if there are any
    missing: list[str]
    #: the best and the worst rank that it may have; None if it has not run all tasks
    ranks: Rank | None

    @property
    def headline(self) -> Interval:
        """Mean over families of the mean over tasks of the clipped scaled score."""
        return self.overall.headline

    @property
    def families(self) -> dict[str, Interval]:
        """The mean over the tasks of each family."""
        return self.overall.families

    @property
    def rank(self) -> int | None:
        """The best rank that it may have."""
        return None if self.ranks is None else self.ranks.low

    @property
    def may_be_best(self) -> bool:
        """Whether no other complete method is better."""
        return self.rank == 1

    @property
    def beats_adamw(self) -> float | None:
        """Chance that its replicate beats AdamW's, ties one half; of AdamW itself one half."""
        return self.overall.beats_baseline

    @property
    def worst_family(self) -> tuple[str, float]:
        """The family with its lowest mean score, and this score."""
        name = self.overall.worst_family
        return name, self.families[name].value

    @property
    def solved(self) -> float:
        """The share of its tasks with a scaled score of at least `SOLVED`."""
        return self.overall.solved / self.overall.tasks

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
    #: the family of each of them
    family_of: dict[str, str]
    #: those of them that were run under this one
    tasks: list[TaskStanding]
    #: tasks that do not count, because they have no reference
    raw: list[TaskStanding]
    #: all tasks run, best first
    complete: list[TrackEntry]
    #: some tasks only, most tasks first
    partial: list[TrackEntry]
    #: every pair of complete methods, by the headline; None if there are none
    comparisons: TrackComparisons | None

    @property
    def preliminary(self) -> bool:
        """Whether the protocol has too few replicates to decide much."""
        return self.protocol.name in PRELIMINARY

    @property
    def families(self) -> list[str]:
        """The families of the tasks that count, in order of their names."""
        return sorted(set(self.family_of.values()))

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
    whole = {method for method, by_task in found.items() if len(by_task) == len(counted)}
    ranked = compare_methods(found, whole, counted)
    partial = [
        _entry(method, found[method], counted, overall)
        for method, overall in _of_partial(found, whole, counted)
    ]
    partial.sort(key=lambda entry: (len(entry.missing), -entry.headline.value, entry.method))
    return TrackStanding(
        track,
        protocol,
        counted=sorted(counted),
        family_of=dict(counted),
        tasks=tasks,
        raw=raw,
        complete=[] if ranked is None else _complete(ranked, found, counted),
        partial=partial,
        comparisons=ranked,
    )


def _complete(
    ranked: TrackComparisons, found: Found, counted: Mapping[str, str]
) -> list[TrackEntry]:
    """Best first."""
    ranks = ranked.ranks
    return [
        _entry(method, found[method], counted, ranked.overall[method], ranks[method])
        for method in ranked.methods
    ]


def compare_methods(
    found: Found,
    methods: Collection[str],
    counted: Mapping[str, str],
    among: Collection[str] | None = None,
) -> TrackComparisons | None:
    """The comparison of some methods on the tasks that all of them ran."""
    common = [task for task in sorted(counted) if all(task in found[m] for m in methods)]
    if not methods or not common:
        return None
    scores: dict[str, dict[str, dict[str, list[float]]]] = {}
    for task in common:
        scores.setdefault(counted[task], {})[task] = {
            method: found[method][task].scaled_scores or [] for method in sorted(methods)
        }
    return track_comparisons(scores, baseline=BASELINE, among=among)


def _of_partial(
    found: Found, whole: Collection[str], counted: Mapping[str, str]
) -> Iterator[tuple[str, Overall]]:
    """The numbers of methods that did not run all tasks, over those that they ran.

    Methods that ran the same tasks are computed together, with the variance of all that ran them.
    """
    groups: dict[frozenset[str], list[str]] = {}
    for method in sorted(found.keys() - set(whole)):
        groups.setdefault(frozenset(found[method]), []).append(method)
    for ran, methods in groups.items():
        others = {method for method in found if ran <= found[method].keys()}
        own = {task: counted[task] for task in ran}
        compared = compare_methods(found, others, own, among=methods)
        assert compared is not None, "a method is found by a task that it ran"
        yield from compared.overall.items()


def by_family(values: Mapping[str, float], families: Mapping[str, str]) -> float:
    """Mean over families of the mean over their tasks; `families` names each task's family."""
    grouped: dict[str, list[float]] = {}
    for task, value in values.items():
        grouped.setdefault(families[task], []).append(value)
    return statistics.fmean(statistics.fmean(each) for each in grouped.values())


def _entry(
    method: str,
    by_task: Mapping[str, Entry],
    counted: Mapping[str, str],
    overall: Overall,
    ranks: Rank | None = None,
) -> TrackEntry:
    missing = sorted(counted.keys() - by_task.keys())
    return TrackEntry(method, dict(by_task), overall, _over(by_task, counted), missing, ranks)


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
