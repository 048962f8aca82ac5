"""`suite leaderboard`: from result files to the static site."""

from __future__ import annotations

from pathlib import Path

import click

from suite.errors import UsageError


@click.group()
def leaderboard() -> None:
    """Render result files into a static site."""


@leaderboard.command()
@click.option(
    "--results",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the result files.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("site"),
    show_default=True,
    help="Folder to write the site to.",
)
@click.option("--open", "show", is_flag=True, help="Show the site in the browser.")
def build(results: Path, output: Path, show: bool) -> int:
    """Build the site from every valid result file; it opens from disk, without a network.

    Files that are refused are listed here and on the site (exit code 1).
    """
    if output.resolve() == Path.cwd():
        raise UsageError(
            "--output is the present folder, which would be replaced. Name a folder in it: "
            "--output site"
        )
    from leaderboard.site import build as build_site

    report = build_site(results, output)
    index = output.absolute() / "index.html"
    for warning in report.warnings:
        click.echo(f"suite: {warning}", err=True)
    click.echo(f"{len(report.pages)} pages: {index}")
    if show:
        click.launch(index.as_uri())
    return 1 if report.skipped else 0
