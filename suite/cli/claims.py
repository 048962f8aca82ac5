"""`suite claims`: what the papers of methods say of them, as the components' files state it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from suite.cli.answers import cached
from suite.cli.options import (
    AnyNameType,
    NamesType,
    NearChoice,
    as_json,
    dry_run,
    entries_of,
    joined,
    limit_time,
    missing_jobs,
    names_of,
    results_folder,
    run_missing,
    wide,
)
from suite.cli.tables import Column, print_json, show_table
from suite.components import registry
from suite.components.claims import Stated, stated
from suite.errors import UsageError
from suite.studies.protocol import PROTOCOLS

_KINDS = (*registry.COMPONENT_KINDS, "diagnostic")
_TEXT_WIDTH = 80


@click.command()
@click.argument("names", type=AnyNameType(_KINDS), nargs=-1, metavar="[NAME]...")
@click.option(
    "--task",
    "-t",
    "tasks",
    type=NamesType("task"),
    multiple=True,
    callback=joined,
    help="Claims that this task decides; names, or a pattern, joined by commas.",
)
@click.option("--decide", is_flag=True, help="Say what the results that are there say of each.")
@run_missing
@dry_run
@limit_time
@click.option(
    "--protocol",
    "-p",
    type=NearChoice("protocol", [name for name, p in PROTOCOLS.items() if p.ranked]),
    default="quick",
    show_default=True,
    help="With --run: of the studies; sweeps have their own.",
)
@missing_jobs
@results_folder
@wide
@as_json
def claims(
    names: tuple[str, ...],
    tasks: tuple[str, ...],
    decide: bool,
    run: bool,
    dry_run: bool,
    limit_time: float | None,
    protocol: str,
    jobs: int | None,
    results: Path,
    wide: bool,
    as_json: bool,
) -> int:
    """List the claims of papers that tasks here can decide, of all or of the named components.

    A component's file states them. --decide says which of them the results reproduce, with the
    estimate and its interval; --run runs the missing studies of method and rival before.

    \b
        suite claims grokfast_ema
        suite claims --decide
        suite claims --run --limit-time 60
        suite claims --run muon lion --task 'modular*,sparse_parity'
    """
    if not (decide or run):
        return int(_claims(name=_one(names), task=_one(tasks), wide=wide, as_json=as_json))
    from suite.cli import claims_decided

    listed, broken = _listed(names, tasks)
    if run:
        code = claims_decided.run(
            listed,
            results,
            protocol=protocol,
            jobs=jobs,
            minutes=limit_time,
            dry_run=dry_run,
            full=bool(tasks),
            wide=wide,
            as_json=as_json,
        )
    else:
        code = claims_decided.show(listed, results, wide=wide, as_json=as_json)
    _say_broken(broken)
    return 1 if broken else code


def every_claim() -> Iterator[Stated]:
    """The claims of all components that can be used, as the site's page shows them.

    The components are imported when the first is asked for, which takes seconds.
    """
    yield from _listed((), ())[0]


def _one(values: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """The usual question is about one name: its answer is cached by it."""
    return values if len(values) > 1 else next(iter(values), None)


@cached
def _claims(
    name: str | tuple[str, ...] | None,
    task: str | tuple[str, ...] | None,
    wide: bool,
    as_json: bool,
) -> int:
    """Print claims as they are stated."""
    names, tasks = (
        value if isinstance(value, tuple) else tuple(filter(None, [value]))
        for value in (name, task)
    )
    listed, broken = _listed(names, tasks)
    if as_json:
        print_json(
            {
                "claims": [in_json(one) for one in listed],
                "broken": [{"file": file.path, "reason": file.reason} for file in broken],
            }
        )
    elif not listed:
        click.echo(_nothing(names, tasks))
    elif names:
        show_claims(listed, wide=wide)
    else:
        columns = [
            Column("method"),
            Column("task", 1),
            Column("is claimed to be", text=True),
            Column("number as stated by the paper", 2, text=True),
            Column("place", 3, text=True),
            Column("source", 4, text=True),
        ]
        show_table(columns, [_row(one) for one in listed], wide=wide)
        if sys.stdout.isatty() and not wide:
            click.secho("`suite claims NAME` shows the claims of a component whole.", dim=True)
    _say_broken(broken)
    return 1 if broken else 0


def _listed(names: Sequence[str], tasks: Sequence[str]) -> tuple[list[Stated], list[Any]]:
    """The claims of some components, or of all, about some tasks, or all; unusable files."""
    components, broken = [], []
    for name in names:
        if name in registry.names("task") and name not in names_of(_KINDS):
            raise UsageError(
                f"'{name}' is a task: `suite claims --task {name}` lists what it decides."
            )
        components += entries_of(name, _KINDS)
    if not names:
        for kind in _KINDS:
            found, unusable = registry.load_all(kind)
            components += found
            broken += unusable
    chosen = [one for one in stated(components) if not tasks or one.claim.task in tasks]
    return chosen, broken


def _say_broken(broken: Iterable[Any]) -> None:
    for file in broken:
        click.echo(f"suite: cannot use {file.path}: {file.reason}", err=True)


def _nothing(names: Sequence[str], tasks: Sequence[str]) -> str:
    of = f" of {', '.join(names)}" if names else ""
    about = f" about {', '.join(tasks)}" if tasks else ""
    return (
        f"No claims{of}{about}. A component's file states them by `claims=[...]`: see "
        "'State claims' in docs/submit.md."
    )


def _row(one: Stated) -> list[str]:
    claim = one.claim
    place = claim.place + (", from memory" if claim.from_memory else "")
    return [one.label, claim.task, one.compared, claim.number, place, one.source]


def show_claims(listed: Iterable[Stated], *, wide: bool = False) -> None:
    """Print claims one below the other, whole; on a terminal within its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _TEXT_WIDTH
    for i, one in enumerate(listed):
        if i:
            click.echo()
        claim = one.claim
        facts = {
            "claim": claim.says,
            "method": one.method if one.needed else "all with results on the task",
            "rival": claim.rival or f"none: the value {claim.value:g} is claimed",
            "task": claim.task,
            "compared": one.compared,
            "number": claim.number,
            "place": claim.place + (", from memory" if claim.from_memory else ""),
            "source": one.source,
        }
        longest = max(map(len, facts))
        for fact, text in facts.items():
            start = f"  {fact.ljust(longest)}  "
            if wide:
                click.echo(start + text)
                continue
            lines = textwrap.wrap(text, max(20, width - len(start)), break_long_words=False)
            click.echo(start + f"\n{' ' * len(start)}".join(lines))


def in_json(one: Stated) -> dict[str, Any]:
    """A claim as JSON."""
    claim = one.claim
    return {
        "kind": one.component.kind,
        "name": one.component.name,
        "says": claim.says,
        "method": one.method,
        "rival": claim.rival or None,
        "task": claim.task,
        "measure": claim.measure,
        "quantity": claim.quantity or None,
        "expect": claim.expect,
        "factor": claim.factor,
        "value": claim.value,
        "untuned": claim.untuned,
        "number": claim.number,
        "place": claim.place,
        "source": one.source,
        "from_memory": claim.from_memory,
    }
