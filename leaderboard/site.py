"""The static site: rankings and figures as pages that open from disk, without a network."""

from __future__ import annotations

import dataclasses
import functools
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from leaderboard import diagnostic_figures, figures, pages, transfer
from leaderboard.board import Board, load_board
from leaderboard.catalogue import Catalogue, Described, read_catalogue
from leaderboard.claims import Verdict, decide
from leaderboard.diagnostic_figures import Panels
from leaderboard.diagnostics import Diagnosed, of_one_protocol, read_diagnosed
from leaderboard.downloads import results_table, table_text
from leaderboard.drawing import Drawing
from leaderboard.filters import FILTERS, slug
from leaderboard.pairs import comparison_data
from leaderboard.pdf import pdf_file
from leaderboard.placement import check_replaceable, swap, write_marker
from leaderboard.references import References
from leaderboard.standings import TaskStanding
from leaderboard.statistics import CLIP, LEVEL, SOLVED
from leaderboard.transfer import Moved
from suite.components.claims import Stated
from suite.components.rules import Transfer
from suite.results.frames import Invalid, Stored, read_folder
from suite.studies.protocol import PROTOCOLS
from suite.training.costs import COSTS

_COST_WORDS = {
    "gradient": "loss and gradient (forward and backward)",
    "forward": "loss only (forward)",
    "jvp": "Jacobian-vector product (forward mode), with the loss",
    "hvp": "Hessian-vector product, with the loss and the gradient that it differentiates",
    "unused batch": "a batch that is drawn and not passed through the model",
}
_ASSETS = ("leaderboard.css", "leaderboard.js", "charts.js", "compare.js")
_MENU = (
    ("index.html", "Ranking"),
    ("tasks.html", "Tasks"),
    ("methods.html", "Methods"),
    ("compare.html", "Compare"),
    ("claims.html", "Claims"),
    ("diagnostics.html", "Diagnostics"),
    ("lost.html", "What lost"),
    ("protocol.html", "Protocol"),
)
_DIAGNOSTICS = "diagnostics.html"
_DISTRIBUTION = "optimizer-suite"


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
    catalogue: Catalogue
    #: by task and protocol
    drawings: dict[tuple[str, str], list[Drawing]]
    #: the address of the repository, without a slash at its end; empty if it is not known
    repository: str
    #: results with diagnostics, read whole
    diagnosed: tuple[Diagnosed, ...] = ()
    #: rules of scaling with their verdicts
    moved: tuple[Moved, ...] = ()
    menu: tuple[tuple[str, str], ...] = _MENU

    def described(self, kind: str, name: str) -> Described | None:
        """What a component or task says of itself; None if it is not of this repository."""
        return self.catalogue.get((kind, name))

    @functools.cached_property
    def families(self) -> list[str]:
        """The families of all tasks with results, by name."""
        found = {standings[0].task.family for standings in self.board.tasks.values()}
        return sorted(name for name in found if name)


def build(
    results: str | Path,
    output: str | Path,
    references: References | None = None,
    repository: str | None = None,
    claims: Iterable[Stated] = (),
    rules: Iterable[Transfer] = (),
) -> BuildReport:
    """Render every valid result file below `results` into a site at `output`.

    The site is made in a folder next to it and then moved into place. `repository` is the web
    address that files and commits link to; by default the one that the package declares, if it
    does. `claims` and `rules` of scaling are decided from the same results. Raises UsageError if
    `results` is missing, or if `output` holds files that this function did not make.
    """
    output = Path(output).absolute()
    place = output.resolve()  # a link to a folder is kept, and its target is replaced
    check_replaceable(place)
    repository = declared_repository() if repository is None else repository.rstrip("/")
    draw = Drawn()
    board = load_board(results, references, extra=draw)
    board = dataclasses.replace(board, claims=_decided(list(claims), board, Path(results)))
    diagnosed = tuple(read_diagnosed(board, results))
    menu = tuple(item for item in _MENU if diagnosed or item[0] != _DIAGNOSTICS)
    moved = tuple(transfer.decide(rules, board.stored, board.references))
    site = Site(board, read_catalogue(), draw.drawings, repository, diagnosed, moved, menu)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as temporary:
        made = Path(temporary) / "site"
        written = [path.relative_to(made) for path in write_site(site, made)]
        check_replaceable(place)  # again: files may have been added meanwhile
        swap(made, place, Path(temporary) / "old")
    return BuildReport([output / page for page in written], board.left_out, board.notices)


def _decided(claims: list[Stated], board: Board, results: Path) -> tuple[Verdict, ...]:
    """The verdicts on claims. Columns are compared at a curve's end, which thin curves lack."""
    at_end = ("column", "diagnostic", "correlation")
    tasks = {stated.claim.task for stated in claims if stated.claim.measure in at_end}
    shown = {item.path: item for item in board.stored}
    for path, result in read_folder(results, tasks)[0]:
        relative = path.relative_to(results)
        if relative in shown:
            shown[relative] = Stored(relative, result)
    return tuple(decide(claims, shown.values(), board.references))


def declared_repository() -> str:
    """The address that the installed package names as its repository; empty if it names none."""
    try:
        lines = metadata.metadata(_DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    urls = dict(re.split(r",\s*", line, maxsplit=1) for line in lines if "," in line)
    return next((url.rstrip("/") for name, url in urls.items() if name.lower() == "repository"), "")


class Drawn:
    """Draws the figures of a task when its standing is computed, and keeps them.

    A file with which that fails is left out by the board.
    """

    def __init__(self) -> None:
        self.drawings: dict[tuple[str, str], list[Drawing]] = {}

    def __call__(self, standing: TaskStanding) -> None:
        if standing.ranked:
            key = standing.task.name, standing.protocol.name
            drawn = [figures.learning_curves(standing), figures.tuning_curves(standing)]
            self.drawings[key] = drawn


class _Writer:
    """Renders templates and writes the files of a site."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        self.environment = Environment(
            loader=PackageLoader("leaderboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters.update(FILTERS)
        self.environment.globals.update(site=site, level=LEVEL, solved=SOLVED)

    def page(self, template: str, path: str, drawings: Any = (), **context: Any) -> Path:
        """Render a template to a page, and write the files of its figures."""
        root = "../" * path.count("/")
        render = self.environment.get_template(template).render
        text = render(root=root, here=path, drawings=drawings, **context)
        self.text(path, text)
        return self.folder / path

    def text(self, path: str, text: str | bytes) -> None:
        """Write one file."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)

    def figure_files(self, drawings: Iterable[Drawing]) -> None:
        """Every figure as SVG and PDF, its numbers as CSV."""
        for drawing in drawings:
            stem = f"figures/{slug(drawing.name)}"
            self.text(f"{stem}.svg", drawing.svg_file)
            self.text(f"{stem}.pdf", pdf_file(drawing))
            self.text(f"{stem}.csv", table_text(drawing.table))


def write_site(site: Site, folder: Path) -> Iterator[Path]:
    """Write all files of a site into a folder; yields its pages."""
    writer, board = _Writer(site, folder), site.board
    main = pages.main_track(board)
    of_tracks = {id(track): pages.track_drawings(track) for track in board.tracks}
    for drawn in [*of_tracks.values(), *site.drawings.values()]:
        writer.figure_files(drawn)
    index = pages.index_context(board, main)
    yield writer.page("index.html.j2", "index.html", of_tracks.get(id(main), []), **index)
    for track in board.tracks:
        path = f"boards/{track.track}-{track.protocol.name}.html"
        families = board.families(track)
        yield writer.page(
            "board.html.j2", path, of_tracks[id(track)], track=track, families=families
        )
    for family in site.families:
        context = pages.family_context(board, family)
        yield writer.page("family.html.j2", f"families/{slug(family)}.html", **context)
    for name, standings in board.tasks.items():
        drawings = {
            s.protocol.name: site.drawings[name, s.protocol.name] for s in standings if s.ranked
        }
        small = _diagnostics_of(writer, site, name)
        path = f"tasks/{slug(name)}.html"
        yield writer.page(
            "task.html.j2", path, drawings, name=name, standings=standings, diagnostics=small
        )
    claims = pages.claim_rows(board, site.catalogue)
    diagnosed = of_one_protocol(site.diagnosed)
    for name, method in board.methods.items():
        drawings_of_it, protocol = pages.method_drawings(method)
        writer.figure_files(drawings_of_it)
        context = pages.method_context(board, method, claims)
        path = f"methods/{slug(name)}.html"
        yield writer.page(
            "method.html.j2",
            path,
            drawings_of_it,
            name=name,
            shown_protocol=protocol,
            diagnostics=diagnostic_figures.of_method(name, diagnosed),
            **context,
        )
    yield writer.page("tasks.html.j2", "tasks.html")
    yield writer.page("methods.html.j2", "methods.html")
    context = pages.claims_context(claims, pages.rule_rows(board, site.moved))
    yield writer.page("claims.html.j2", "claims.html", **context)
    if site.diagnosed:
        context = pages.diagnostics_context(site.diagnosed)
        yield writer.page("diagnostics.html.j2", _DIAGNOSTICS, **context)
    yield writer.page("lost.html.j2", "lost.html", **pages.lost_context(board))
    compared = comparison_data(board)
    yield writer.page("compare.html.j2", "compare.html", **compared.context)
    for path, text in compared.files:
        writer.text(path, text)
    yield writer.page(
        "protocol.html.j2",
        "protocol.html",
        protocols=list(PROTOCOLS.values()),
        costs=COSTS,
        cost_words=_COST_WORDS,
        references=board.references,
        clip=CLIP,
    )
    for asset in _ASSETS:
        text = files("leaderboard").joinpath("assets", asset).read_text(encoding="utf-8")
        writer.text(f"assets/{asset}", text)
    writer.text("results.csv", results_table(board))
    write_marker(folder)


def _diagnostics_of(writer: _Writer, site: Site, task: str) -> dict[str, Panels]:
    """The small figures of a task by protocol; writes the numbers behind them."""
    found = {}
    for each in site.diagnosed:
        if each.task.name == task:
            found[each.protocol.name] = diagnostic_figures.of_task(each)
            stem = slug(f"diagnostics-{task}-{each.protocol.name}")
            writer.text(f"figures/{stem}.csv", table_text(diagnostic_figures.table(each)))
    return found
