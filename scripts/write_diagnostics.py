"""Write the table of docs/diagnostics.md: what goes with diagnostics over methods and tasks.

    python -m scripts.write_diagnostics [--results results]

Run it after `suite run ... --probe` has completed published results.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from leaderboard.board import load_board
from leaderboard.diagnostics import (
    Correlation,
    Diagnosed,
    Row,
    by_column,
    of_one_protocol,
    read_diagnosed,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "diagnostics.md"
START, END = "<!-- Written by scripts/write_diagnostics.py -->", "<!-- Until here -->"
_HEAD = """
Of {results} results of {methods} methods on {tasks}, protocol {protocol}.
Bold: the whole interval is on one side of 0.

| diagnostic | score, at the end | score, mean | speed, at the end | speed, mean |
|---|---|---|---|---|
"""
_NOTHING = "\nNo result has diagnostics of five methods on a task yet.\n"


def table(diagnosed: Sequence[Diagnosed]) -> str:
    """The part of the page that is written."""
    chosen = of_one_protocol(diagnosed)
    rows = by_column(chosen)
    if not rows:
        return _NOTHING
    methods = {result.method.name for each in chosen for result in each.results}
    head = _HEAD.format(
        results=sum(len(each.results) for each in chosen),
        methods=len(methods),
        tasks=", ".join(each.task.name for each in chosen),
        protocol=chosen[0].protocol.name,
    )
    return head + "".join(_line(column, row) for column, row in rows.items())


def _line(column: str, row: Row) -> str:
    cells = [
        _cell(row.get((when, outcome)))
        for outcome in ("generalization", "speed")
        for when in ("end", "mean")
    ]
    return f"| `{column}` | {' | '.join(cells)} |\n"


def _cell(one: Correlation | None) -> str:
    if one is None:
        return "-"
    value, low, high = one.estimate
    text = f"{value:+.2f} ({low:+.2f} to {high:+.2f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def written(page: str, part: str) -> str:
    """The page with another part between the marks."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{part}\n{END}{after}"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    folder = parser.parse_args().results
    found = read_diagnosed(load_board(folder), folder)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), table(found)), encoding="utf-8")


if __name__ == "__main__":
    main()
