"""`suite claims`: what the papers of methods say of them, as the components' files state it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from suite.cli.answers import cached
from suite.cli.options import AnyNameType, NameType, as_json, entries_of, names_of, wide
from suite.cli.tables import Column, print_json, show_table
from suite.components import registry
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.components.claims import Claim
    from suite.components.registry import Component

_KINDS = registry.COMPONENT_KINDS
_TEXT_WIDTH = 80

_SAID = {
    "score": {
        "better": "better in the score",
        "worse": "worse in the score",
        "equal": "equal in the score",
    },
    "time_to_target": {
        "better": "sooner at the target",
        "worse": "later at the target",
        "equal": "as soon at the target",
    },
    "column": {
        "lower": "lower in {} at the end",
        "higher": "higher in {} at the end",
        "equal": "equal in {} at the end",
    },
    "hyperparameter": {
        "lower": "lower in the tuned {}",
        "higher": "higher in the tuned {}",
        "equal": "equal in the tuned {}",
    },
}


@dataclass(frozen=True)
class Stated:
    """A claim and the component whose file states it."""

    component: Component
    claim: Claim

    @property
    def method(self) -> str:
        """The name of the method that the claim is about."""
        return self.claim.method or self.component.name

    @property
    def compared(self) -> str:
        """What is compared with what, in words."""
        claim = self.claim
        said = _SAID[claim.measure][claim.expect].format(claim.quantity)
        word = "than"
        if claim.expect == "equal":
            word = "as" if claim.measure == "time_to_target" else "to"
        against = f" {word} {claim.rival or 'the paper says'}"
        return said + against + (f", {claim.factor:g} times" if claim.factor else "")

    @property
    def source(self) -> str:
        """The paper that says so."""
        return self.claim.source or self.component.paper


def stated(components: Iterable[Component]) -> list[Stated]:
    """All claims of components, in their order."""
    return [Stated(component, claim) for component in components for claim in component.claims]


@click.command()
@click.argument("name", type=AnyNameType(_KINDS), required=False)
@click.option("--task", type=NameType("task", files=False), help="Claims that this task decides.")
@wide
@as_json
@cached
def claims(name: str | None, task: str | None, wide: bool, as_json: bool) -> int:
    """List the claims of papers that tasks here can decide; of one component if it is named.

    A component's file states them. `suite run` of the method and its rival on the task measures
    what is compared.
    """
    broken: list[Any] = []
    if name is None:
        components = []
        for kind in _KINDS:
            found, unusable = registry.load_all(kind)
            components += found
            broken += unusable
    else:
        if name in registry.names("task") and name not in names_of(_KINDS):
            raise UsageError(
                f"'{name}' is a task: `suite claims --task {name}` lists what it decides."
            )
        components = entries_of(name, _KINDS)
    listed = [one for one in stated(components) if task in (None, one.claim.task)]
    if as_json:
        print_json(
            {
                "claims": [in_json(one) for one in listed],
                "broken": [{"file": file.path, "reason": file.reason} for file in broken],
            }
        )
    elif not listed:
        click.echo(_nothing(name, task))
    elif name is not None:
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
    for file in broken:
        click.echo(f"suite: cannot use {file.path}: {file.reason}", err=True)
    return 1 if broken else 0


def _nothing(name: str | None, task: str | None) -> str:
    of, about = f" of {name}" if name else "", f" about {task}" if task else ""
    return (
        f"No claims{of}{about}. A component's file states them by `claims=[...]`: see "
        "'State claims' in docs/submit.md."
    )


def _row(one: Stated) -> list[str]:
    claim = one.claim
    place = claim.place + (", from memory" if claim.from_memory else "")
    return [one.method, claim.task, one.compared, claim.number, place, one.source]


def show_claims(listed: Iterable[Stated], *, wide: bool = False) -> None:
    """Print claims one below the other, whole; on a terminal within its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _TEXT_WIDTH
    for i, one in enumerate(listed):
        if i:
            click.echo()
        claim = one.claim
        facts = {
            "claim": claim.says,
            "method": one.method,
            "rival": claim.rival or "none: the value itself is claimed",
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
        "number": claim.number,
        "place": claim.place,
        "source": one.source,
        "from_memory": claim.from_memory,
    }
