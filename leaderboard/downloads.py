"""Tables for download, whose text no spreadsheet reads as a formula."""

from __future__ import annotations

import csv
import functools
import io
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from suite.results.frames import Stored, runs_frame

#: characters that a spreadsheet reads as the beginning of a formula
_FORMULA = ("=", "+", "-", "@")
#: control characters, line and paragraph separators, halves of a surrogate pair
_BREAKS = ("Cc", "Zl", "Zp", "Cs")


def write_runs(stored: Iterable[Stored], path: Path) -> None:
    """All runs of some results, one in a row, as CSV."""
    plain_cells(runs_frame(stored)).to_csv(path, index=False)


def write_curve_table(rows: Iterable[Sequence[object]]) -> str:
    """The rows of a figure's table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([plain_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def plain_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would read as a formula gets an apostrophe in front, in any column.

    Choices of hyperparameters are text, too, in columns that may also hold numbers.
    """
    texts = frame.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]]
    return frame.assign(**{name: [plain_cell(cell) for cell in frame[name]] for name in texts})


def plain_cell(cell: Any) -> Any:
    """A cell of one line that is not a formula, whatever a spreadsheet skips before the sign.

    A lone carriage return would end the row: the csv module of Python 3.12 does not quote it.
    """
    return _plain_text(cell) if isinstance(cell, str) else cell


@functools.lru_cache(maxsize=20_000)
def _plain_text(text: str) -> str:
    line = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in text)
    seen = unicodedata.normalize("NFKC", line)  # a full-width sign is a sign
    skipped = [c for c in seen if not (c.isspace() or unicodedata.category(c) == "Cf" or c == "|")]
    return f"'{line}" if skipped and skipped[0] in _FORMULA else line
