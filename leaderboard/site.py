"""The static site: rankings and figures as pages that open from disk, without a network."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from leaderboard import figures
from leaderboard.board import Board, MethodResults, load_board
from leaderboard.drawing import Drawing
from leaderboard.filters import FILTERS, slug
from leaderboard.placement import check_replaceable, swap, write_marker
from leaderboard.references import References
from leaderboard.standings import Entry, TaskStanding
from leaderboard.statistics import COVERAGE, PERCENTILES, REPETITIONS
from suite.results.frames import Invalid, runs_frame
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

    board: Board
    #: by task and protocol
    drawings: dict[tuple[str, str], list[Drawing]]


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
    site = gather(results, references)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as temporary:
        made = Path(temporary) / "site"
        pages = [path.relative_to(made) for path in _write(site, made)]
        check_replaceable(place)  # again: files may have been added meanwhile
        swap(made, place, Path(temporary) / "old")
    board = site.board
    return BuildReport([output / page for page in pages], board.left_out, board.notices)


def gather(results: str | Path, references: References | None) -> Site:
    """The board with the figures of its tasks; a file that cannot be drawn is left out."""
    drawings: dict[tuple[str, str], list[Drawing]] = {}

    def draw(standing: TaskStanding) -> None:
        if standing.ranked:
            drawings[standing.task.name, standing.protocol.name] = _task_drawings(standing)

    board = load_board(results, references, extra=draw)
    return Site(board, drawings)


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
        text = environment.get_template(template).render(board=site.board, root=root, **context)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    yield render("index.html.j2", Path("index.html"), drawings=_track_drawings(site))
    for name, standings in site.board.tasks.items():
        drawings = {
            s.protocol.name: site.drawings[name, s.protocol.name] for s in standings if s.ranked
        }
        path = Path("tasks", f"{slug(name)}.html")
        yield render("task.html.j2", path, name=name, standings=standings, drawings=drawings)
    for name, method in site.board.methods.items():
        path = Path("methods", f"{slug(name)}.html")
        yield render("method.html.j2", path, name=name, **_method_context(method))
    yield render(
        "protocol.html.j2",
        Path("protocol.html"),
        protocols=list(PROTOCOLS.values()),
        costs=COSTS,
        cost_words=_COST_WORDS,
        repetitions=REPETITIONS,
        percentiles=PERCENTILES,
        coverage=COVERAGE,
        references=site.board.references,
    )
    for asset in ("leaderboard.css", "leaderboard.js"):
        text = files("leaderboard").joinpath("assets", asset).read_text(encoding="utf-8")
        target = folder / "assets" / asset
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    _plain_cells(runs_frame(site.board.stored)).to_csv(folder / "results.csv", index=False)
    write_marker(folder)


def _track_drawings(site: Site) -> dict[tuple[str, str], list[Drawing]]:
    found = {}
    for track in site.board.tracks:
        drawn = (figures.track_intervals(track), figures.time_profile(track))
        found[track.track, track.protocol.name] = [drawing for drawing in drawn if drawing]
    return found


def _task_drawings(standing: TaskStanding) -> list[Drawing]:
    return [figures.learning_curves(standing), figures.tuning_curves(standing)]


def _method_context(method: MethodResults) -> dict[str, Any]:
    failures = list(_failures(method.found))
    return {
        "found": method.found,
        "newest": method.newest,
        "failures": failures[:_FAILURES],
        "more_failures": len(failures) - len(failures[:_FAILURES]),
        "superseded": method.superseded,
    }


def _failures(found: list[tuple[TaskStanding, Entry]]) -> Iterator[dict[str, Any]]:
    """Failed runs of a method; equal failures within one result are shown once."""
    for standing, entry in found:
        kinds: dict[tuple[str, str, str], list[str]] = {}
        for replicate in entry.result.replicates:
            for purpose, tried in replicate.by_purpose():
                for run in tried:
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
