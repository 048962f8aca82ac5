"""`suite data`: list, fetch and check the data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from suite.cli.options import data_dir
from suite.data import catalog
from suite.errors import DamagedData, MissingData
from suite.home import data_folder

if TYPE_CHECKING:
    from suite.data.dataset import Check, Dataset
    from suite.problems.task import Task


class _DatasetName(click.ParamType):
    """The name of a data set, completed and checked."""

    name = "name"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> str:
        return catalog.get(str(value)).name

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in catalog.datasets() if name.startswith(incomplete)]


@click.group()
def data() -> None:
    """List, fetch and check the data sets that tasks need."""


@data.command("list")
@data_dir
def list_(data_dir: Path | None) -> None:
    """List the data sets, their size, licence, state and tasks."""
    from suite.cli.tables import Column, show_table
    from suite.components import registry
    from suite.words import human_size

    folder = data_folder(data_dir)
    tasks, broken = registry.load_all("task")
    show_table(
        [
            Column("name"),
            Column("download", 1),
            Column("state"),
            Column("licence", 3, text=True),
            Column("tasks", 2, text=True),
        ],
        [
            [
                entry.name,
                human_size(entry.bytes),
                _state(entry, folder),
                entry.licence,
                ", ".join(_tasks_of(entry, tasks)) or "none",
            ]
            for entry in catalog.datasets().values()
        ],
    )
    click.echo(f"Data folder: {folder}")
    for file in broken:
        click.echo(f"suite: cannot use {file.path}: {file.reason}", err=True)


def _state(entry: Dataset, folder: Path) -> str:
    if not entry.is_there(folder):
        return "missing"
    try:
        seen = entry.seen(folder)
    except DamagedData:
        return "damaged"
    return "present, not read yet" if seen is None else _verdict(seen)


def _verdict(check: Check) -> str:
    return "canonical" if check.canonical else "not canonical"


def _tasks_of(entry: Dataset, tasks: Iterable[Task]) -> Iterator[str]:
    """Tasks that name the data set, or state the same need."""
    for task in tasks:
        if entry.name == task.problem.dataset or entry.needs == task.problem.needs:
            yield task.name


@data.command(no_args_is_help=True)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=_DatasetName())
@data_dir
def fetch(names: tuple[str, ...], data_dir: Path | None) -> int:
    """Download data sets and make them ready.

    Licence and size are shown first. Data that is present is not fetched again, and an
    interrupted download is resumed.
    """
    folder = data_folder(data_dir)
    return _for_each(names, lambda entry: _fetch(entry, folder))


def _fetch(entry: Dataset, folder: Path) -> str:
    present = entry.is_there(folder)
    if present:
        entry.fetch(folder)  # it may still have to be decoded
    else:
        entry.obtain(folder)
    return f"{'already in' if present else 'fetched into'} {folder}{_known(entry, folder)}"


def _known(entry: Dataset, folder: Path) -> str:
    seen = entry.seen(folder)
    return "" if seen is None else f"; {_verdict(seen)}, fingerprint {seen.fingerprint}"


@data.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, type=_DatasetName())
@data_dir
def check(names: tuple[str, ...], data_dir: Path | None) -> int:
    """Read data sets again and verify their checksums.

    Without a name, all data in the folder is checked.

    Exit code 1 if a data set is damaged, 2 if a named one is missing. Data that is not canonical
    can be used: its results are marked and never ranked with others.
    """
    folder = data_folder(data_dir)
    chosen = names or tuple(e.name for e in catalog.datasets().values() if e.is_there(folder))
    if not chosen:
        click.echo(f"There is no data in {folder}. `suite data list` shows the data sets.")
    return _for_each(chosen, lambda entry: _describe(entry.check(folder)))


def _describe(found: Check) -> str:
    return f"{_verdict(found)}, fingerprint {found.fingerprint} ({found.source})"


def _for_each(names: Iterable[str], action: Callable[[Dataset], str]) -> int:
    """Apply an action to each data set and print its outcome; a failure does not stop the rest."""
    codes = {0}
    for name in dict.fromkeys(names):
        try:
            click.echo(f"{name}: {action(catalog.get(name))}")
        except MissingData as error:
            click.echo(f"suite: {name}: {error}", err=True)
            codes.add(1 if isinstance(error, DamagedData) else error.exit_code)
    return 1 if 1 in codes else max(codes)
