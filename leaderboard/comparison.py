"""Comparing a few methods: on one task, or over a track; differences replicate by replicate.

The methods that are compared share their variance with all methods of the board; Holm's correction
is over the pairs that are compared. A difference is that of the later minus the first method.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from leaderboard.board import Board, make_board
from leaderboard.selection import method_of
from leaderboard.standings import Entry, TaskStanding, compare_entries
from leaderboard.statistics import Comparisons, Pair, TrackComparisons
from leaderboard.tracks import TrackStanding, compare_methods
from suite.errors import UsageError, unknown_name
from suite.results.frames import Stored


@dataclass(frozen=True)
class TaskComparison:
    """Some methods compared on one task."""

    #: the first is what the others are compared with
    methods: tuple[str, ...]
    standing: TaskStanding
    #: their entries, in the order of `methods`
    entries: list[Entry]
    #: of raw scores, among these methods
    comparisons: Comparisons

    @property
    def differences(self) -> dict[str, Pair]:
        """Raw score of each other method minus that of the first."""
        first, *others = self.methods
        return {other: self.comparisons.pair(other, first) for other in others}


@dataclass(frozen=True)
class TrackComparison:
    """Some methods compared over the core tasks that all of them ran."""

    methods: tuple[str, ...]
    track: TrackStanding
    #: one for each of these tasks
    tasks: list[TaskComparison]
    #: core tasks that some of them has not run, which do not count here
    missing: list[str]
    #: of headlines, among these methods
    comparisons: TrackComparisons

    @property
    def differences(self) -> dict[str, Pair]:
        """Headline of each other method minus that of the first."""
        first, *others = self.methods
        return {other: self.comparisons.pair(other, first) for other in others}


def compare_on_task(
    board: Board, task: str, methods: Sequence[str], protocol: str | None = None
) -> TaskComparison:
    """Compare methods on a task, in the protocol with most trials that all have.

    Raises UsageError naming what is missing, or why their results cannot be compared.
    """
    methods = _distinct(methods)
    standings = board.tasks.get(task, [])
    if not standings:
        raise UsageError(f"there are no results on {task}.")
    _check_known(
        methods,
        {entry.method for standing in standings for entry in standing.entries},
        f"method with results on {task}",
    )
    standing = _shared(standings, methods, protocol, task)
    if not _all_ranked(standing, methods):
        standing = _alone(board, standing, methods)
    entries = [_entry(standing, method) for method in methods]
    if _all_ranked(standing, methods):
        compared = compare_entries(standing.ranked, among=methods)
    else:
        _check_alike(entries, task)
        compared = compare_entries(entries)
    return TaskComparison(methods, standing, entries, compared)


def compare_on_track(
    board: Board, track: str, methods: Sequence[str], protocol: str | None = None
) -> TrackComparison:
    """Compare methods over a track, in the protocol with most trials that all have.

    Raises UsageError naming what is missing.
    """
    methods = _distinct(methods)
    standings = [standing for standing in board.tracks if standing.track == track]
    if not standings:
        raise UsageError(f"there are no results on the track {track}.")
    _check_known(
        methods,
        {entry.method for standing in standings for entry in standing.entries},
        f"method with a rank on a core task of the track {track}",
    )
    common = [standing for standing in standings if _common(standing, methods)]
    chosen = [s for s in common if protocol is None or s.protocol.name == protocol]
    if not chosen:
        under = "" if protocol is None else f" under the protocol {protocol}"
        raise UsageError(
            f"{' and '.join(methods)} share no core task of the track {track}{under}. Run the "
            f"missing ones with `suite run`."
        )
    standing = max(chosen, key=lambda s: s.protocol.trials * len(_common(s, methods)))
    names = _common(standing, methods)
    found = {entry.method: entry.entries for entry in standing.entries}
    whole = {method for method, entries in found.items() if set(names) <= entries.keys()}
    families = {name: standing.family_of[name] for name in names}
    compared = compare_methods(found, whole, families, among=methods)
    assert compared is not None, "the methods have a task in common"
    tasks = [compare_on_task(board, name, methods, standing.protocol.name) for name in names]
    missing = [name for name in standing.counted if name not in names]
    return TrackComparison(methods, standing, tasks, missing, compared)


def _distinct(methods: Sequence[str]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(methods))
    if len(distinct) < 2:
        raise UsageError("a comparison takes two or more different methods.")
    return distinct


def _check_known(methods: Iterable[str], known: Collection[str], what: str) -> None:
    for method in methods:
        if method not in known:
            raise unknown_name(what, method, known)


def _common(standing: TrackStanding, methods: Iterable[str]) -> list[str]:
    """The names of the core tasks on which all methods are ranked."""
    found = {entry.method: entry.entries for entry in standing.entries}
    return [name for name in standing.counted if all(name in found.get(m, {}) for m in methods)]


def _shared(
    standings: Iterable[TaskStanding], methods: Sequence[str], protocol: str | None, task: str
) -> TaskStanding:
    found = [s for s in standings if protocol is None or s.protocol.name == protocol]
    whole = [s for s in found if {entry.method for entry in s.entries} >= set(methods)]
    if not whole:
        has = "; ".join(f"{s.protocol.name}: {_listed(s, methods)}" for s in found)
        raise UsageError(
            f"the methods share no protocol on {task} ({has or 'none has this protocol'}). "
            "Run the missing ones with `suite run`."
        )
    return max(whole, key=lambda s: (s.protocol.budget_fraction, s.protocol.trials))


def _listed(standing: TaskStanding, methods: Collection[str]) -> str:
    found = [entry.method for entry in standing.entries if entry.method in methods]
    return ", ".join(dict.fromkeys(found)) or "none of them"


def _all_ranked(standing: TaskStanding, methods: Iterable[str]) -> bool:
    return {entry.method for entry in standing.ranked} >= set(methods)


def _alone(board: Board, standing: TaskStanding, methods: Collection[str]) -> TaskStanding:
    """The standing of these methods without others: they may be comparable with one another only.

    The board's other results decide which data and which task version counts.
    """
    own = [
        Stored(entry.stored.path, entry.result)
        for entry in standing.entries
        if entry.method in methods
    ]
    alone = make_board(own, references=board.references)
    return alone.tasks[standing.task.name][0]


def _entry(standing: TaskStanding, method: str) -> Entry:
    """For a method with results of several seeds, the ranked one; otherwise the first."""
    return next(entry for entry in standing.entries if entry.method == method)


def _check_alike(entries: Sequence[Entry], task: str) -> None:
    """Raise UsageError unless the results are of one task version, data and replicate seeds."""
    first = entries[0]
    for entry in entries[1:]:
        for what, mine, theirs in (
            ("the task version", first.result.task.version, entry.result.task.version),
            ("the code of the task", first.result.task.fingerprint, entry.result.task.fingerprint),
            ("the data", _data(first), _data(entry)),
            ("the seeds of the replicates", list(first.scores), list(entry.scores)),
        ):
            if mine != theirs:
                raise UsageError(
                    f"{first.method} and {entry.method} cannot be compared on {task}: {what} "
                    f"differs ({mine} and {theirs}; {method_of(first.result)}: "
                    f"{first.note or 'ranked'}, {entry.method}: {entry.note or 'ranked'})."
                )


def _data(entry: Entry) -> str | None:
    data = entry.result.data
    return None if data is None else data.fingerprint
