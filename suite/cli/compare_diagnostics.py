"""`suite compare --probe`: the diagnostics of methods side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.standings import interval, number
from suite.cli.tables import Column, show_table
from suite.errors import UsageError

if TYPE_CHECKING:
    from leaderboard.comparison import TaskComparison
    from suite.results.model import Result


def diagnosed(found: TaskComparison, folder: Path) -> dict[str, Result]:
    """The whole results of the compared methods; raises UsageError for one without diagnostics."""
    from leaderboard.pages import command_of
    from suite.results.files import read

    results = {}
    for entry in found.entries:
        if not entry.result.diagnostics:
            command = f"{command_of(entry.result)} --probe cheap"
            raise UsageError(
                f"the result of {entry.method} has no diagnostics. `{command}` adds them."
            )
        results[entry.method] = read(folder / entry.stored.path)
    return results


def columns_named(names: Sequence[str], results: dict[str, Result]) -> dict[str, str]:
    """The columns with any of these texts in their names, and their units; "all" has every one.

    Raises UsageError for a text that no column has.
    """
    from leaderboard.diagnostics import units_of

    units = units_of(results.values())
    found: dict[str, str] = {}
    for name in names:
        chosen = {c: unit for c, unit in units.items() if name in c or name == "all"}
        if not chosen:
            known = sorted({r.name for result in results.values() for r in result.diagnostics})
            raise UsageError(
                f"no diagnostic of these results has '{name}' in its name. They have: "
                f"{', '.join(known)}."
            )
        found |= chosen
    return found


def print_diagnostics(
    results: dict[str, Result], columns: dict[str, str], *, wide: bool = False
) -> None:
    """A row for each column: the mean at the end and its interval over replicates."""
    from leaderboard.diagnostics import end_interval

    click.echo("\ndiagnostics at the end of evaluation runs: mean, 95 % interval over replicates")
    rows = []
    for column, unit in columns.items():
        cells = []
        for result in results.values():
            estimate = end_interval(result, column)
            ends = "" if estimate is None else interval(estimate, 3)
            around = f" ({ends})" if ends not in ("", "-") else ""
            cells.append(number(None if estimate is None else estimate.value, 4) + around)
        rows.append([column, *cells, unit])
    heads: list[Column | str] = [Column("diagnostic"), *results, Column("unit", 1, text=True)]
    show_table(heads, rows, wide=wide)


def diagnostics_in_json(
    results: dict[str, Result], columns: dict[str, str]
) -> list[dict[str, Any]]:
    """The same as a part of a JSON document, with the mean along the runs."""
    from leaderboard.diagnostic_figures import along_budget
    from leaderboard.diagnostics import end_interval

    found = []
    for column, unit in columns.items():
        methods = []
        for method, result in results.items():
            estimate, (at, means) = end_interval(result, column), along_budget(result, column)
            value, low, high = estimate or (None, None, None)
            methods.append(
                {
                    "method": method,
                    "value": value,
                    "low": low,
                    "high": high,
                    "share_of_budget": at,
                    "mean": means,
                }
            )
        found.append({"column": column, "unit": unit, "methods": methods})
    return found
