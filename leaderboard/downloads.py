"""Tables for download, whose text no spreadsheet reads as a formula."""

from __future__ import annotations

import csv
import functools
import io
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from leaderboard.board import Board
from leaderboard.standings import Entry, TaskStanding

#: characters that a spreadsheet reads as the beginning of a formula
_FORMULA = ("=", "+", "-", "@")
#: control characters, line and paragraph separators, halves of a surrogate pair
_BREAKS = ("Cc", "Zl", "Zp", "Cs")
_COLUMNS = (
    "task", "task_version", "family", "track", "core", "protocol", "protocol_version", "method",
    "rank_low", "rank_high", "against_adamw", "note", "score", "score_low", "score_high",
    "scaled_score", "scaled_low", "scaled_high", "replicate_scores", "higher_is_better",
    "out_of_the_box", "tuned", "trials_needed", "time_to_target", "runs_at_target", "runs",
    "gradient_evaluations", "step_cost", "failed_runs", "canonical_data", "finished", "commit",
    "dirty", "verification", "path",
)  # fmt: skip


def results_table(board: Board) -> str:
    """All results, one in a row, as CSV; numbers are those of the task pages."""
    pairs = ((s, e) for found in board.tasks.values() for s in found for e in s.entries)
    return table_text([_COLUMNS, *(list(_row(board, *pair)) for pair in pairs)])


def _row(board: Board, standing: TaskStanding, entry: Entry) -> Iterator[object]:
    """The cells of one result, in the order of `_COLUMNS`."""
    result, task, place = entry.result, standing.task, entry.standing
    environment = result.environment
    yield from (task.name, result.task.version, task.family, task.track, task.core)
    yield from (result.protocol.name, result.protocol.version, entry.method)
    yield from place.ranks if place else (None, None)
    yield from (place.verdict if place else None, entry.note)
    yield from entry.raw
    yield from entry.scaled or (None, None, None)
    yield from (" ".join(f"{score:.9g}" for score in entry.scores.values()), task.higher_is_better)
    yield from (entry.tuning.out_of_the_box, entry.tuning.tuned, entry.trials_needed)
    yield from (None, None) if standing.stream else (entry.time_to_target, entry.reached)
    yield from (entry.runs, entry.gradient_evaluations, entry.step_cost, entry.failures.total())
    yield from (result.data.canonical if result.data else None, environment.finished)
    yield from (environment.commit, environment.dirty, board.mark(result), str(entry.stored.path))


def table_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV, the header among them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([plain_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def plain_cell(cell: Any) -> Any:
    """A cell of one line that is not a formula, whatever a spreadsheet skips before the sign.

    A lone carriage return would end the row: the csv module of Python 3.12 does not quote it.
    """
    if isinstance(cell, float):
        return f"{cell:.9g}" if math.isfinite(cell) else ""
    return _plain_text(cell) if isinstance(cell, str) else cell


@functools.lru_cache(maxsize=20_000)
def _plain_text(text: str) -> str:
    line = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in text)
    seen = unicodedata.normalize("NFKC", line)  # a full-width sign is a sign
    skipped = [c for c in seen if not (c.isspace() or unicodedata.category(c) == "Cf" or c == "|")]
    return f"'{line}" if skipped and skipped[0] in _FORMULA else line
