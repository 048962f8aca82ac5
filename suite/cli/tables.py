"""Tables and JSON for the terminal: tables fit its width, and are whole where there is none."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

_GAP = "  "
#: a column of text is not narrower than this, unless its texts are
_NARROWEST = 20
_CUT = "..."


@dataclass(frozen=True)
class Column:
    """A column and what may happen to it where the terminal is narrow."""

    title: str
    #: 0 is never left out; of the others, the highest goes first
    leave_out: int = 0
    #: sentences, which may be cut; names and numbers may not
    text: bool = False


def show_table(
    columns: Sequence[Column | str], rows: Sequence[Sequence[str]], *, wide: bool = False
) -> None:
    """Print rows of text under their column names.

    On a terminal, what does not fit its width is left out by priority, and named below the table.
    A pipe or a file gets everything, as with `wide`.
    """
    whole = [Column(column) if isinstance(column, str) else column for column in columns]
    if wide or not sys.stdout.isatty():
        titles = [column.title for column in whole]
        click.echo(plain_table(titles, rows))
        return
    width = shutil.get_terminal_size().columns
    kept, fitting, left_out = fit(whole, rows, width)
    header, *lines = plain_table(kept, fitting).splitlines()
    click.secho(header, bold=True)
    for line in lines:
        click.echo(line)
    if left_out:
        click.secho(f"Not shown: {', '.join(left_out)}. --wide shows all.", dim=True)


def fit(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[str], list[list[str]], list[str]]:
    """Titles and rows that fit a width as far as possible, and the titles that are left out.

    Columns without any content go first and are not mentioned.
    """
    kept = [i for i, _ in enumerate(columns) if not rows or any(row[i] for row in rows)]
    natural = [
        max([len(column.title), *(len(row[i]) for row in rows)]) for i, column in enumerate(columns)
    ]
    least = [
        min(size, max(_NARROWEST, len(column.title))) if column.text else size
        for size, column in zip(natural, columns, strict=True)
    ]
    left_out = []
    while sum(least[i] for i in kept) + len(_GAP) * (len(kept) - 1) > width:
        last = max(kept, key=lambda i: (columns[i].leave_out, i))
        if columns[last].leave_out == 0:
            break
        kept.remove(last)
        left_out.append(columns[last].title)
    spare = width - sum(least[i] for i in kept) - len(_GAP) * (len(kept) - 1)
    sizes = dict(enumerate(natural))
    for i in kept:
        if columns[i].text:
            sizes[i] = min(natural[i], least[i] + max(0, spare))
            spare -= sizes[i] - least[i]
    titles = [columns[i].title for i in kept]
    return titles, [[_cut(row[i], sizes[i]) for i in kept] for row in rows], left_out


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - len(_CUT)].rstrip() + _CUT


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in aligned columns, two spaces apart."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    padded = (
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    )
    return "\n".join(_GAP.join(cells).rstrip() for cells in padded)


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document; numbers that JSON does not know, as infinity, become null."""
    click.echo(json.dumps(_strict(document), indent=2, allow_nan=False))


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
