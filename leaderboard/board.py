"""The board: everything that pages, tables, comparisons and claims say about a folder of results.

`load_board(folder)` reads the results, chooses those that are shown and computes all standings
once. The static site, `suite leaderboard show`, `suite compare`, the notebook's functions and the
claims read only from it.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from leaderboard import references as frozen
from leaderboard.families import FamilyResult, family_results
from leaderboard.loading import published_results, read_thin
from leaderboard.references import References
from leaderboard.selection import Superseded, finished, method_of, select
from leaderboard.standings import Entry, TaskStanding, task_standing
from leaderboard.tracks import TrackStanding, track_standings
from suite.errors import UsageError
from suite.home import ROOT
from suite.results.frames import Invalid, Stored
from suite.results.marks import Mark, marks, read_verifications
from suite.results.model import Result

#: work on one task's standing that must succeed for its files to be shown, such as its figures
Extra = Callable[[TaskStanding], object]


@dataclass(frozen=True)
class MethodResults:
    """A method's entries on all tasks, under all protocols."""

    name: str
    found: list[tuple[TaskStanding, Entry]]
    superseded: list[Superseded]

    @functools.cached_property
    def newest(self) -> Result:
        """The last finished of its results: it says what the method is now."""
        return max((entry.result for _, entry in self.found), key=finished)


@dataclass(frozen=True)
class Board:
    """All that is known from some results."""

    #: valid results that are shown or superseded
    stored: list[Stored]
    #: files that are left out, with the reasons
    left_out: list[Invalid]
    #: one for each track and ranked protocol; mini first, then the most complete
    tracks: list[TrackStanding]
    #: by the task's name, tasks of the mini track first; the most complete protocol first
    tasks: dict[str, list[TaskStanding]]
    #: by name
    methods: dict[str, MethodResults]
    superseded: list[Superseded]
    references: References
    #: sentences about files that are left out or not ranked
    notices: list[str]
    #: verdicts on the claims of methods, where they were decided from the same results
    claims: tuple[object, ...] = ()
    #: by the digest of a result that was run again
    marks: Mapping[str, Mark] = field(default_factory=dict)

    def mark(self, result: Result) -> Mark:
        """Whether somebody has run a result again, and what came out."""
        return self.marks.get(result.digest, "claimed")

    @functools.cached_property
    def marked(self) -> Counter[Mark]:
        """How many of the results that are shown have each mark."""
        return Counter(
            self.mark(entry.result)
            for standings in self.tasks.values()
            for standing in standings
            for entry in standing.entries
        )

    @functools.cached_property
    def newest(self) -> str:
        """The day when the last study ended; empty without results."""
        if not self.stored:
            return ""
        return max(finished(item.result) for item in self.stored).date().isoformat()

    @functools.cached_property
    def barely_compared(self) -> int:
        """How many tasks have results of two methods at most."""
        methods = [
            {entry.method for standing in standings for entry in standing.entries}
            for standings in self.tasks.values()
        ]
        return sum(len(names) <= 2 for names in methods)

    def track(self, track: str = "mini", protocol: str | None = None) -> TrackStanding | None:
        """The standing of a track; without a protocol the most complete one. None if not run."""
        return next((t for t in self.tracks if t.track == track and _fits(t, protocol)), None)

    def task(self, task: str, protocol: str | None = None) -> TaskStanding | None:
        """The standing on a task; without a protocol the most complete one. None if not run."""
        return next((s for s in self.tasks.get(task, ()) if _fits(s, protocol)), None)

    def families(self, track: TrackStanding) -> list[FamilyResult]:
        """What a track of this board says about each family: the parts of one sentence each."""
        return self._families[track.track, track.protocol.name]

    @functools.cached_property
    def _families(self) -> dict[tuple[str, str], list[FamilyResult]]:
        return {(t.track, t.protocol.name): family_results(t) for t in self.tracks}


def _fits(standing: TaskStanding | TrackStanding, protocol: str | None) -> bool:
    return protocol is None or standing.protocol.name == protocol


def load_board(
    results: str | Path | None,
    references: References | None = None,
    *,
    tasks: Collection[str] | None = None,
    published: bool = False,
    extra: Extra | None = None,
) -> Board:
    """The board of every valid result file below a folder, with paths relative to it.

    Curves are thin (see `leaderboard.index`). With `tasks`, only these are read. With `published`,
    the published results are added where the folder has none of the same study; None is no folder.
    Raises UsageError if there is no such folder. `extra` is called with each task's standing; files
    with which it, or the computation of the standing, fails are left out with a notice.
    """
    stored: list[Stored] = []
    invalid: list[Invalid] = []
    if results is not None:
        stored, invalid = read_thin(results, tasks)
    if published:
        own = {_study(item.result) for item in stored}
        stored += [item for item in published_results(tasks) if _study(item.result) not in own]
    board = make_board(stored, invalid, references, extra=extra)
    return board if results is None else _with_marks(board, Path(results))


def _with_marks(board: Board, folder: Path) -> Board:
    """The board with the marks of its folder; if their file is damaged, with a notice instead."""
    try:
        return replace(board, marks=marks(read_verifications(folder)))
    except UsageError as error:
        return replace(board, notices=[*board.notices, f"{error} No result is marked."])


def find_board(
    results: str | Path = "results",
    published: bool | None = None,
    tasks: Collection[str] | None = None,
) -> Board:
    """The board of a folder, as people ask for it: from anywhere, with the published results.

    These are added unless the folder holds them itself, as that of a checkout does; `published`
    decides otherwise. A folder that does not exist is empty, if they are added.
    """
    folder = Path(results)
    wanted = folder.resolve() != ROOT / "results" if published is None else published
    missing = wanted and not folder.exists()
    return load_board(None if missing else folder, tasks=tasks, published=wanted)


def _study(result: Result) -> tuple[str, str, str, int]:
    """What two results have in common if one supersedes the other."""
    return result.task.name, result.protocol.name, method_of(result), result.seed


def make_board(
    stored: Iterable[Stored],
    invalid: Iterable[Invalid] = (),
    references: References | None = None,
    *,
    extra: Extra | None = None,
) -> Board:
    """The board of some results, as `load_board`; `invalid` are files that are left out."""
    references = frozen.load() if references is None else references
    stored, left_out = list(stored), list(invalid)
    on_task: dict[str, list[Stored]] = {}
    for item in stored:
        on_task.setdefault(item.result.task.name, []).append(item)
    parts = []
    for _, items in sorted(on_task.items()):
        part, unusable = _usable(items, references, extra or _nothing)
        parts.append(part)
        left_out += unusable
    refused = {path for path, _ in left_out}
    standings = [standing for part in parts for standing in part.standings]
    superseded = [item for part in parts for item in part.superseded]
    standings.sort(key=_completeness)
    tasks: dict[str, list[TaskStanding]] = {}
    for standing in sorted(standings, key=lambda s: (s.task.track != "mini", s.task.name)):
        tasks.setdefault(standing.task.name, []).append(standing)
    return Board(
        stored=[item for item in stored if item.path not in refused],
        left_out=left_out,
        tracks=track_standings(standings),
        tasks=tasks,
        methods=_methods(tasks, superseded),
        superseded=superseded,
        references=references,
        notices=list(_notices(standings, superseded, left_out)),
    )


def _methods(
    tasks: dict[str, list[TaskStanding]], superseded: list[Superseded]
) -> dict[str, MethodResults]:
    found: dict[str, list[tuple[TaskStanding, Entry]]] = {}
    for standings in tasks.values():
        for standing in standings:
            for entry in standing.entries:
                found.setdefault(entry.method, []).append((standing, entry))
    return {
        name: MethodResults(
            name,
            pairs,
            [item for item in superseded if item.method == name],
        )
        for name, pairs in sorted(found.items())
    }


@dataclass(frozen=True)
class _TaskPart:
    """The standings on one task, one for each protocol."""

    standings: list[TaskStanding]
    superseded: list[Superseded]


def _nothing(standing: TaskStanding) -> None:
    """No extra work."""


def _task_part(stored: Iterable[Stored], references: References, extra: Extra) -> _TaskPart:
    groups, superseded = select(stored, references)
    standings = [task_standing(group, references) for group in groups]
    for standing in standings:
        extra(standing)
    return _TaskPart(standings, superseded)


def _usable(
    stored: list[Stored], references: References, extra: Extra
) -> tuple[_TaskPart, list[Invalid]]:
    """The standings on one task, and the files that had to be left out.

    One unexpected file must not prevent the publication of all others.
    """
    try:
        return _task_part(stored, references, extra), []
    except Exception as error:
        together = f"cannot be drawn with the others on its task: {type(error).__name__}: {error}"
    kept, left_out = [], []
    for item in stored:
        try:
            _task_part([item], references, extra)
        except Exception as error:
            reason = f"cannot be drawn: {type(error).__name__}: {error}"
            left_out.append(Invalid(item.path, reason))
        else:
            kept.append(item)
    if left_out:
        part, more = _usable(kept, references, extra)
        return part, left_out + more
    return _TaskPart([], []), [Invalid(item.path, together) for item in stored]


def _completeness(standing: TaskStanding) -> tuple[bool, int, str]:
    """The most complete ranked protocol comes first."""
    return not standing.protocol.ranked, -len(standing.ranked), standing.protocol.name


def _notices(
    standings: list[TaskStanding], superseded: list[Superseded], left_out: list[Invalid]
) -> Iterator[str]:
    for path, reason in left_out:
        yield f"{path}: left out: {reason}"
    for standing in standings:
        task, protocol = standing.task.name, standing.protocol
        if protocol.ranked:
            for entry in standing.unranked:
                yield f"{entry.stored.path}: not ranked with the others: {entry.note}"
            if standing.reference is None:
                yield f"{task} ({protocol.name}): {standing.reference_note}"
        for entry in standing.ranked:
            data = entry.result.data
            if data is not None and not data.canonical:
                yield f"{entry.stored.path}: the data is not the task's canonical data"
    for item in superseded:
        yield f"{item.stored.path}: superseded by {item.by.path}"
