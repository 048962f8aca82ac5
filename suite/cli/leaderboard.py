"""`suite leaderboard`: standings in the terminal, the static site, results as one file."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli.claims import every_claim
from suite.cli.options import NameType, as_json, results_folder, wide
from suite.cli.standings import (
    print_refused,
    print_standing,
    print_track,
    published,
    standing_in_json,
    track_in_json,
)
from suite.cli.tables import print_json
from suite.cli.transfer import every_transfer
from suite.errors import UsageError

#: methods of a track that are shown without --all
_MOST = 20


@click.group()
def leaderboard() -> None:
    """Show the standings, build their site, exchange results as one file."""


@leaderboard.command()
@results_folder
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("site"),
    show_default=True,
    help="Folder to write the site to.",
)
@click.option(
    "--repository",
    metavar="URL",
    help="Where results and code are on the web: files and commits link to it. Default: what the "
    "package declares as its repository.",
)
@click.option("--open", "show", is_flag=True, help="Show the site in the browser.")
def build(results: Path, output: Path, repository: str | None, show: bool) -> int:
    """Build the site from every valid result file; it opens from disk, without a network.

    Files that are refused are listed here and on the site (exit code 1).
    """
    if output.resolve() == Path.cwd():
        raise UsageError(
            "--output is the present folder, which would be replaced. Name a folder in it: "
            "--output site"
        )
    from leaderboard.site import build as build_site

    report = build_site(
        results, output, repository=repository, claims=every_claim(), rules=every_transfer()
    )
    index = output.absolute() / "index.html"
    for warning in report.warnings:
        click.echo(f"suite: {warning}", err=True)
    click.echo(f"{len(report.pages)} pages: {index}")
    if show:
        click.launch(index.as_uri())
    return 1 if report.skipped else 0


@leaderboard.command()
@click.option("--task", "-t", type=NameType("task", files=False), help="The methods on this task.")
@click.option(
    "--track",
    type=click.Choice(["mini", "full"]),
    help="The methods over this track. Default, without a task: mini.",
)
@click.option("--protocol", "-p", help="Default: the most complete one.")
@results_folder
@published
@click.option("--all", "everything", is_flag=True, help=f"More than {_MOST} methods of a track.")
@wide
@as_json
def show(
    task: str | None,
    track: str | None,
    protocol: str | None,
    results: Path,
    published: bool | None,
    everything: bool,
    wide: bool,
    as_json: bool,
) -> None:
    """Show the methods on a task or over a track, best first, with the ranks they may have."""
    if task is not None and track is not None:
        raise UsageError("--task and --track exclude each other.")
    from leaderboard.board import find_board
    from leaderboard.standings import TaskStanding

    board = find_board(results, published, None if task is None else [task])
    found = board.track(track or "mini", protocol) if task is None else board.task(task, protocol)
    print_refused(board, results)
    if found is None:
        where = f"track {track or 'mini'}" if task is None else f"task {task}"
        under = "" if protocol is None else f" under the protocol {protocol}"
        raise UsageError(f"{results} holds no results on the {where}{under}.")
    if isinstance(found, TaskStanding):
        if as_json:
            print_json(standing_in_json(found, found.entries))
        else:
            print_standing(found, wide=wide)
    elif as_json:
        print_json(track_in_json(found))
    else:
        print_track(found, None if everything else _MOST, wide=wide)


@leaderboard.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@results_folder
def export(file: Path, results: Path) -> int:
    """Write all results of a folder into one file, with thin curves: an index.

    `suite leaderboard import FILE` reads it elsewhere. Files that are refused are left out and
    listed (exit code 1).
    """
    from leaderboard.index import write_index
    from leaderboard.loading import read_lines

    lines, invalid = read_lines(results)
    for path, reason in invalid:
        click.echo(f"suite: {path}: left out: {reason}", err=True)
    write_index(lines, file)
    click.echo(f"{len(lines)} results: {file} ({file.stat().st_size:,} bytes)")
    return 1 if invalid else 0


@leaderboard.command("import")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--packaged", is_flag=True, help="Use the package's results again.")
def import_(file: Path | None, packaged: bool) -> None:
    """Use the results of an index as the published ones, in place of those of the package.

    `suite compare`, `suite leaderboard show` and `suite run` rank methods against them. The whole
    file is checked before it is used.
    """
    if (file is None) != packaged:
        raise UsageError("name a file, or --packaged to use the package's results again.")
    from suite.cli.indices import forget_index, import_index

    if file is None:
        forget_index()
        click.echo("The package's results are the published ones.")
    else:
        click.echo(import_index(file))


@leaderboard.command()
@click.argument("url")
@click.option("--sha256", help="The file's SHA-256; another file is refused.")
def fetch(url: str, sha256: str | None) -> None:
    """Download an index (http or https) and use it, as `suite leaderboard import` does."""
    from suite.cli.indices import fetch_index

    click.echo(fetch_index(url, sha256))
