"""What each page of the site shows, from the board: the variables of its template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaderboard import figures
from leaderboard.board import Board, MethodResults
from leaderboard.catalogue import Catalogue
from leaderboard.diagnostics import Diagnosed, by_column, of_one_protocol
from leaderboard.drawing import Drawing
from leaderboard.families import FamilyResult
from leaderboard.filters import count, file_id, shorten, space_words, study_words
from leaderboard.selection import BASELINE
from leaderboard.standings import Entry, TaskStanding
from leaderboard.statistics import Interval
from leaderboard.tracks import NO_FAMILY, TrackEntry, TrackStanding
from suite.results.frames import Stored
from suite.results.model import ComponentRecord, Result

if TYPE_CHECKING:
    from leaderboard.claims import Verdict as ClaimVerdict
    from leaderboard.transfer import Moved

_TRACEBACK = 4000
_FAILURES = 20
#: packages and letters of a machine's line
_PACKAGES, _PACKAGE_LETTERS = 8, 40


def main_track(board: Board) -> TrackStanding | None:
    """The ranking that the first page shows.

    Of the mini track's protocols that rank somebody, the one with most runs per method; if there
    is none, of the others.
    """
    able = [track for track in board.tracks if track.counted and track.entries]
    return max(able, key=_weight, default=None)


def _weight(track: TrackStanding) -> tuple[bool, bool, int]:
    runs = track.protocol.trials + track.protocol.seeds
    return bool(track.complete), track.track == "mini", runs


def index_context(board: Board, main: TrackStanding | None) -> dict[str, Any]:
    """The main ranking, a sentence per family, and the other rankings."""
    seconds = []
    for standing in main.tasks if main else []:
        reference = standing.reference
        if reference is not None and reference.calibration is not None:
            seconds.append(reference.calibration.trial_seconds)
    return {
        "main": main,
        "families": board.families(main) if main else [],
        "trial_seconds": (min(seconds), max(seconds)) if seconds else None,
        "boards": [track for track in board.tracks if track is not main and track.entries],
    }


def track_drawings(track: TrackStanding) -> list[Drawing]:
    """The figures of a track; none if no method has run all its tasks."""
    drawn = (figures.track_intervals(track), figures.time_profile(track))
    return [drawing for drawing in drawn if drawing]


def family_context(board: Board, family: str) -> dict[str, Any]:
    """The rankings of a family, the main one first, and its tasks."""
    boards = []
    for track in sorted(board.tracks, key=_weight, reverse=True):
        entries = [entry for entry in track.entries if family in entry.families]
        entries.sort(key=lambda entry: (-entry.families[family].value, entry.method))
        found: FamilyResult | None = next(
            (result for result in board.families(track) if result.family == family), None
        )
        if entries:
            boards.append((track, found, entries))
    tasks = [s for s in board.tasks.values() if (s[0].task.family or NO_FAMILY) == family]
    return {"name": family, "boards": boards, "tasks_of_family": tasks}


# -- a method's page ------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileRow:
    """One result file of a method."""

    id: str
    stored: Stored
    #: how it was made
    command: str
    #: the number of its line among the machines
    machine: int
    #: the file that superseded it, or empty
    by: str = ""


def method_drawings(method: MethodResults) -> tuple[list[Drawing], str]:
    """Defaults against tuned, and scores against each hyperparameter, and of which protocol.

    Of the protocols under which the method is ranked the one with most runs.
    """
    ranked = [(s, e) for s, e in method.found if e.standing is not None and e.tuning.effects]
    if not ranked:
        return [], ""
    protocol = max((s.protocol for s, _ in ranked), key=lambda p: (p.trials + p.seeds, p.name))
    shown = [(s.task.name, e) for s, e in ranked if s.protocol.name == protocol.name]
    drawn = [figures.defaults_against_tuned(method.name, shown)]
    effects: dict[tuple[str, str], list[tuple[str, Any]]] = {}
    for task, entry in shown:
        for effect in entry.tuning.effects:
            if effect.values:
                effects.setdefault((effect.component, effect.name), []).append((task, effect))
    for found in effects.values():
        space = found[-1][1].space
        same = [(task, effect) for task, effect in found if effect.space == space]
        drawn.append(figures.sensitivity(method.name, same))
    return drawn, protocol.name


def method_context(board: Board, method: MethodResults, claims: list[ClaimRow]) -> dict[str, Any]:
    """A method's results, claims, failures and files."""
    failures = list(_failures(method.found))
    entries = [
        (track, entry)
        for track in sorted(board.tracks, key=_weight, reverse=True)
        for entry in track.entries
        if entry.method == method.name
    ]
    rows, machines = _file_rows(method)
    return {
        "found": method.found,
        "newest": method.newest,
        "boards": entries,
        "claims": [claim for claim in claims if claim.page == method.name],
        "decided": any(claim.outcome for claim in claims),
        "failures": failures[:_FAILURES],
        "more_failures": len(failures) - len(failures[:_FAILURES]),
        "files": rows,
        "machines": machines,
    }


def _file_rows(method: MethodResults) -> tuple[list[FileRow], list[str]]:
    machines: list[str] = []

    def number(result: Result) -> int:
        text = _machine(result)
        if text not in machines:
            machines.append(text)
        return machines.index(text) + 1

    rows = [
        FileRow(file_id(entry), entry.stored, command_of(entry.result), number(entry.result))
        for _, entry in method.found
    ]
    for item in method.superseded:
        stored, result = item.stored, item.stored.result
        by = str(item.by.path)
        rows.append(FileRow(file_id(stored), stored, command_of(result), number(result), by))
    return rows, machines


def command_of(result: Result) -> str:
    """The command that makes this result again."""
    parts: dict[str, list[str]] = {"optimizer": [], "regularizer": [], "schedule": []}
    for component in result.method.components:
        parts[component.kind].append(component.name)
    words = [f"--{kind} {','.join(names)}" for kind, names in parts.items() if names]
    words += [f"--task {result.task.name}", f"--protocol {result.protocol.name}"]
    if result.seed:
        words.append(f"--seed {result.seed}")
    if result.threads != 1:
        words.append(f"--threads {result.threads}")
    return " ".join(["suite run", *words])


def _machine(result: Result) -> str:
    environment = result.environment
    packages = [
        f"{shorten(name, _PACKAGE_LETTERS)} {shorten(version, _PACKAGE_LETTERS)}"
        for name, version in list(environment.packages.items())[:_PACKAGES]
    ]
    parts = [
        f"{result.device}, {count(result.threads, 'thread')}",
        shorten(environment.gpu or environment.cpu, 120),
        f"suite {shorten(environment.suite_version, _PACKAGE_LETTERS)}",
        *packages,
    ]
    return ", ".join(parts)


def _failures(found: list[tuple[TaskStanding, Entry]]) -> Iterator[dict[str, Any]]:
    """Failed runs of a method; equal failures within one result are shown once."""
    for standing, entry in found:
        kinds: dict[tuple[str, str, str], list[str]] = {}
        replicates = entry.result.replicates
        for replicate in replicates:
            of = f" of replicate {replicate.seed}" if len(replicates) > 1 else ""
            for purpose in ("tuning", "evaluation"):
                for run in getattr(replicate, purpose):
                    if not run.succeeded:
                        key = (run.status, run.reason or "", run.traceback or "")
                        kinds.setdefault(key, []).append(f"{purpose} {run.number}{of}")
        for (status, reason, traceback), runs in kinds.items():
            cut = len(traceback) > _TRACEBACK
            listed = ", ".join(runs[:_FAILURES])
            more = f" and {len(runs) - _FAILURES} more" if len(runs) > _FAILURES else ""
            yield {
                "task": standing.task.name,
                "protocol": standing.protocol.name,
                "status": status,
                "runs": listed + more,
                "reason": reason,
                "traceback": ("…\n" if cut else "") + traceback[-_TRACEBACK:],
            }


# -- claims -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClaimRow:
    """One claim, with its verdict if there is one."""

    method: str
    #: the method with a page that it is shown on; empty if there is none
    page: str
    says: str
    task: str
    has_task: bool
    rival: str
    number: str
    place: str
    source: str
    outcome: str | None = None
    why: str = ""
    estimate: Interval | None = None
    unit: str = ""


def claim_rows(board: Board, catalogue: Catalogue) -> list[ClaimRow]:
    """The claims that were decided; if none was, those that the components' files state."""
    if board.claims:
        rows = [_decided(board, verdict) for verdict in board.claims]  # type: ignore[arg-type]
    else:
        rows = [
            _claim_row(
                board, claim.method or name, name, says=claim.says, task=claim.task,
                rival=claim.rival, number=claim.number, place=claim.place, source=claim.source,
            )
            for (_, name), about in catalogue.items()
            for claim in about.claims
        ]  # fmt: skip
    return sorted(rows, key=lambda row: (row.outcome in (None, "not run"), row.method, row.says))


def _decided(board: Board, verdict: ClaimVerdict) -> ClaimRow:
    claim = verdict.stated.claim
    return _claim_row(
        board, verdict.stated.method, verdict.stated.component.name, says=claim.says,
        task=claim.task, rival=claim.rival, number=claim.number, place=claim.place,
        source=claim.source, outcome=verdict.outcome, why=verdict.why, estimate=verdict.estimate,
        unit=verdict.unit,
    )  # fmt: skip


def _claim_row(board: Board, method: str, component: str, *, task: str, **said: Any) -> ClaimRow:
    page = next((name for name in (method, component) if name in board.methods), "")
    return ClaimRow(method=method, page=page, task=task, has_task=task in board.tasks, **said)


def claims_context(claims: list[ClaimRow], rules: list[RuleRow]) -> dict[str, Any]:
    """All claims and rules of scaling, and how many claims have each verdict."""
    counts = Counter(claim.outcome for claim in claims if claim.outcome)
    return {
        "claims": claims,
        "outcomes": counts.most_common(),
        "decided": bool(counts),
        "rules": rules,
    }


@dataclass(frozen=True)
class RuleRow:
    """One size of a rule of scaling, with its verdict."""

    moved: Moved
    #: whether the size's task, and the method, have pages
    has_task: bool
    has_page: bool

    @property
    def task(self) -> str:
        """The size's task."""
        return self.moved.transfer.sizes[self.moved.number].task

    @property
    def sets(self) -> str:
        """What the size sets, where another size has the same task."""
        return self.moved.size.removeprefix(self.task).lstrip(", ")


def rule_rows(board: Board, moved: Iterable[Moved]) -> list[RuleRow]:
    """Rules of scaling, those that were run first."""
    rows = [
        RuleRow(one, one.transfer.sizes[one.number].task in board.tasks, _has_page(board, one))
        for one in moved
    ]
    return sorted(rows, key=lambda row: row.moved.outcome == "not run")


def _has_page(board: Board, moved: Moved) -> bool:
    return moved.rule.method in board.methods


# -- diagnostics ------------------------------------------------------------------------------


def diagnostics_context(diagnosed: Sequence[Diagnosed]) -> dict[str, Any]:
    """What goes with each diagnostic, under the protocol with most results that have any."""
    chosen = of_one_protocol(diagnosed)
    protocol = chosen[0].protocol.name
    return {"diagnosed": chosen, "protocol": protocol, "rows": by_column(chosen)}


# -- what lost ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lost:
    """A ranked method that is not better than AdamW over a track."""

    entry: TrackEntry
    verdict: str
    #: its headline minus AdamW's
    difference: Interval
    #: core tasks on which it is better, and worse, beyond doubt
    better: list[str]
    worse: list[str]
    #: the task with the largest difference of mean scaled scores to AdamW, and this difference
    best_task: str
    best_difference: float
    #: the search, in words
    tried: str
    papers: list[ComponentRecord]


def lost_context(board: Board) -> dict[str, Any]:
    """The methods that do not beat AdamW on the main ranking; no track without AdamW."""
    ranked = [track for track in board.tracks if _baseline(track) is not None]
    track = max(ranked, key=_weight, default=None)
    return {"track": track, "lost": list(_lost(track)) if track else []}


def _baseline(track: TrackStanding) -> TrackEntry | None:
    return next((entry for entry in track.complete if entry.method == BASELINE), None)


def _lost(track: TrackStanding) -> Iterator[Lost]:
    baseline = _baseline(track)
    assert baseline is not None and track.comparisons is not None, "there are complete methods"
    for entry in track.complete:
        if entry.method == BASELINE:
            continue
        pair = track.comparisons.pair(entry.method, BASELINE)
        if pair.verdict == "better":
            continue
        apart = {
            task: _scaled(on) - _scaled(baseline.entries[task])
            for task, on in entry.entries.items()
        }
        best = max(apart, key=lambda task: (apart[task], task))
        verdicts = {t: on.standing.verdict for t, on in entry.entries.items() if on.standing}
        some = entry.entries[best].result
        yield Lost(
            entry,
            pair.verdict,
            Interval(pair.value, pair.low, pair.high),
            better=sorted(task for task, verdict in verdicts.items() if verdict == "better"),
            worse=sorted(task for task, verdict in verdicts.items() if verdict == "worse"),
            best_task=best,
            best_difference=apart[best],
            tried=_tried(some, entry.entries.values()),
            papers=[c for c in some.method.components if c.name != BASELINE],
        )


def _scaled(entry: Entry) -> float:
    assert entry.scaled is not None, "a task that counts has a scale"
    return entry.scaled.value


def _tried(result: Result, entries: Iterable[Entry]) -> str:
    runs = sum(len(each.tuning) for e in entries for each in e.result.replicates)
    spaces = [
        f"{name} {space_words(space)}"
        for component in result.method.components
        for name, space in component.search_space.items()
    ]
    searched = "; ".join(spaces) if spaces else "it has no hyperparameters"
    return f"{study_words(result.protocol)}: {runs} trials in all. {searched}"
