"""The static site: rankings and figures as pages that open from disk, without a network."""

from __future__ import annotations

import functools
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from leaderboard import figures
from leaderboard import references as frozen
from leaderboard.drawing import Drawing
from leaderboard.filters import FILTERS, slug
from leaderboard.placement import check_replaceable, swap, write_marker
from leaderboard.references import References
from leaderboard.selection import Superseded, finished, select
from leaderboard.standings import Entry, TaskStanding, task_standing
from leaderboard.statistics.retired import COVERAGE, PERCENTILES, REPETITIONS
from leaderboard.tracks import TrackStanding, track_standings
from suite.results.frames import Invalid, Stored, read_folder, runs_frame
from suite.studies.protocol import PROTOCOLS
from suite.training.costs import COSTS

_TRACEBACK = 4000
_FAILURES = 20
_COST_WORDS = {
    "gradient": "loss and gradient (forward and backward)",
    "forward": "loss only (forward)",
    "jvp": "Jacobian-vector product (forward mode), with the loss",
    "hvp": "Hessian-vector product, with the loss and the gradient that it differentiates",
    "unused batch": "a batch that is drawn and not passed through the model",
}
#: characters that a spreadsheet reads as the beginning of a formula
_FORMULA = ("=", "+", "-", "@")
#: control characters, line and paragraph separators, halves of a surrogate pair
_BREAKS = ("Cc", "Zl", "Zp", "Cs")


@dataclass(frozen=True)
class BuildReport:
    """What a build wrote and what it left out."""

    pages: list[Path]
    #: files that are left out, with the reasons: not valid, or impossible to draw
    skipped: list[Invalid]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Site:
    """All content of the pages, computed once."""

    stored: list[Stored]
    #: files that are left out, with the reasons
    left_out: list[Invalid]
    by_task: dict[str, list[TaskStanding]]
    by_method: dict[str, list[tuple[TaskStanding, Entry]]]
    #: by task and protocol
    drawings: dict[tuple[str, str], list[Drawing]]
    tracks: list[TrackStanding]
    superseded: list[Superseded]
    references: References
    notices: list[str]

    @functools.cached_property
    def newest(self) -> str:
        """The day when the last study ended."""
        if not self.stored:
            return ""
        return max(finished(item.result) for item in self.stored).date().isoformat()

    @functools.cached_property
    def barely_compared(self) -> int:
        """How many tasks have results of two methods at most."""
        methods = [
            {entry.method for standing in standings for entry in standing.entries}
            for standings in self.by_task.values()
        ]
        return sum(len(names) <= 2 for names in methods)


def build(
    results: str | Path, output: str | Path, references: References | None = None
) -> BuildReport:
    """Render every valid result file below `results` into a site at `output`.

    The site is made in a folder next to it and then moved into place. Raises UsageError if
    `results` is missing, or if `output` holds files that this function did not make.
    """
    output = Path(output).absolute()
    place = output.resolve()  # a link to a folder is kept, and its target is replaced
    check_replaceable(place)
    results = Path(results)
    stored, invalid = read_folder(results)
    stored = [Stored(item.path.relative_to(results), item.result) for item in stored]
    invalid = [Invalid(item.path.relative_to(results), item.reason) for item in invalid]
    site = gather(stored, invalid, frozen.load() if references is None else references)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as temporary:
        made = Path(temporary) / "site"
        pages = [path.relative_to(made) for path in _write(site, made)]
        check_replaceable(place)  # again: files may have been added meanwhile
        swap(made, place, Path(temporary) / "old")
    return BuildReport([output / page for page in pages], site.left_out, site.notices)


@dataclass(frozen=True)
class _TaskPart:
    """Ranking and figures of one task."""

    standings: list[TaskStanding]
    superseded: list[Superseded]
    drawings: dict[tuple[str, str], list[Drawing]]


def _task_part(stored: Iterable[Stored], references: References) -> _TaskPart:
    groups, superseded = select(stored, references)
    standings = [task_standing(group, references) for group in groups]
    drawings = {(s.task.name, s.protocol.name): _task_drawings(s) for s in standings if s.ranked}
    return _TaskPart(standings, superseded, drawings)


def _drawable(stored: list[Stored], references: References) -> tuple[_TaskPart, list[Invalid]]:
    """The pages' content for one task, and the files that had to be left out.

    One unexpected file must not prevent the publication of all others.
    """
    try:
        return _task_part(stored, references), []
    except Exception as error:
        together = f"cannot be drawn with the others on its task: {type(error).__name__}: {error}"
    kept, left_out = [], []
    for item in stored:
        try:
            _task_part([item], references)
        except Exception as error:
            reason = f"cannot be drawn: {type(error).__name__}: {error}"
            left_out.append(Invalid(item.path, reason))
        else:
            kept.append(item)
    if left_out:
        part, more = _drawable(kept, references)
        return part, left_out + more
    return _TaskPart([], [], {}), [Invalid(item.path, together) for item in stored]


def gather(stored: list[Stored], invalid: list[Invalid], references: References) -> Site:
    """Compute the rankings and the notices about files that are left out."""
    on_task: dict[str, list[Stored]] = {}
    for item in stored:
        on_task.setdefault(item.result.task.name, []).append(item)
    parts = []
    for _, items in sorted(on_task.items()):
        part, undrawable = _drawable(items, references)
        parts.append(part)
        invalid = [*invalid, *undrawable]
    left_out = {path for path, _ in invalid}
    stored = [item for item in stored if item.path not in left_out]
    standings = [standing for part in parts for standing in part.standings]
    superseded = [item for part in parts for item in part.superseded]
    standings.sort(key=_completeness)
    by_task: dict[str, list[TaskStanding]] = {}
    by_method: dict[str, list[tuple[TaskStanding, Entry]]] = {}
    for standing in sorted(standings, key=lambda s: (s.task.track != "mini", s.task.name)):
        by_task.setdefault(standing.task.name, []).append(standing)
        for entry in standing.entries:
            by_method.setdefault(entry.method, []).append((standing, entry))
    return Site(
        stored=stored,
        left_out=invalid,
        by_task=by_task,
        drawings={key: drawn for part in parts for key, drawn in part.drawings.items()},
        by_method=dict(sorted(by_method.items())),
        tracks=track_standings(standings),
        superseded=superseded,
        references=references,
        notices=list(_notices(standings, superseded, invalid)),
    )


def _completeness(standing: TaskStanding) -> tuple[bool, int, str]:
    """The most complete ranked protocol comes first."""
    return not standing.protocol.ranked, -len(standing.ranked), standing.protocol.name


def _notices(
    standings: list[TaskStanding], superseded: list[Superseded], invalid: list[Invalid]
) -> Iterator[str]:
    for path, reason in invalid:
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


def _write(site: Site, folder: Path) -> Iterator[Path]:
    environment = Environment(
        loader=PackageLoader("leaderboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)

    def render(template: str, path: Path, **context: Any) -> Path:
        root = "../" * len(path.parent.parts)
        text = environment.get_template(template).render(site=site, root=root, **context)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    yield render("index.html.j2", Path("index.html"), drawings=_track_drawings(site))
    for name, standings in site.by_task.items():
        drawings = {
            s.protocol.name: site.drawings[name, s.protocol.name] for s in standings if s.ranked
        }
        path = Path("tasks", f"{slug(name)}.html")
        yield render("task.html.j2", path, name=name, standings=standings, drawings=drawings)
    for name, found in site.by_method.items():
        path = Path("methods", f"{slug(name)}.html")
        yield render("method.html.j2", path, name=name, **_method_context(site, name, found))
    yield render(
        "protocol.html.j2",
        Path("protocol.html"),
        protocols=list(PROTOCOLS.values()),
        costs=COSTS,
        cost_words=_COST_WORDS,
        repetitions=REPETITIONS,
        percentiles=PERCENTILES,
        coverage=COVERAGE,
        references=site.references,
    )
    for asset in ("leaderboard.css", "leaderboard.js"):
        text = files("leaderboard").joinpath("assets", asset).read_text(encoding="utf-8")
        target = folder / "assets" / asset
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    _plain_cells(runs_frame(site.stored)).to_csv(folder / "results.csv", index=False)
    write_marker(folder)


def _track_drawings(site: Site) -> dict[tuple[str, str], list[Drawing]]:
    found = {}
    for track in site.tracks:
        drawn = (figures.track_intervals(track), figures.time_profile(track))
        found[track.track, track.protocol.name] = [drawing for drawing in drawn if drawing]
    return found


def _task_drawings(standing: TaskStanding) -> list[Drawing]:
    return [figures.learning_curves(standing), figures.tuning_curves(standing)]


def _method_context(
    site: Site, name: str, found: list[tuple[TaskStanding, Entry]]
) -> dict[str, Any]:
    newest = max((entry.result for _, entry in found), key=finished)
    failures = list(_failures(found))
    return {
        "found": found,
        "newest": newest,
        "failures": failures[:_FAILURES],
        "more_failures": len(failures) - len(failures[:_FAILURES]),
        "superseded": [s for s in site.superseded if s.stored.result.method.name == name],
    }


def _failures(found: list[tuple[TaskStanding, Entry]]) -> Iterator[dict[str, Any]]:
    """Failed runs of a method; equal failures within one result are shown once."""
    for standing, entry in found:
        kinds: dict[tuple[str, str, str], list[str]] = {}
        for purpose in ("tuning", "evaluation"):
            for run in getattr(entry.result, purpose):
                if not run.succeeded:
                    key = (run.status, run.reason or "", run.traceback or "")
                    kinds.setdefault(key, []).append(f"{purpose} {run.number}")
        for (status, reason, traceback), runs in kinds.items():
            cut = len(traceback) > _TRACEBACK
            yield {
                "task": standing.task.name,
                "protocol": standing.protocol.name,
                "status": status,
                "runs": ", ".join(runs),
                "reason": reason,
                "traceback": ("…\n" if cut else "") + traceback[-_TRACEBACK:],
            }


def _plain_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would read as a formula gets an apostrophe in front, in any column.

    Choices of hyperparameters are text, too, in columns that may also hold numbers.
    """
    texts = frame.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]]
    return frame.assign(**{name: [_plain_cell(cell) for cell in frame[name]] for name in texts})


def _plain_cell(cell: Any) -> Any:
    """A cell of one line that is not a formula, whatever a spreadsheet skips before the sign.

    A lone carriage return would end the row: the csv module of Python 3.12 does not quote it.
    """
    if not isinstance(cell, str):
        return cell
    line = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in cell)
    seen = unicodedata.normalize("NFKC", line)  # a full-width sign is a sign
    skipped = [c for c in seen if not (c.isspace() or unicodedata.category(c) == "Cf" or c == "|")]
    return f"'{line}" if skipped and skipped[0] in _FORMULA else line
