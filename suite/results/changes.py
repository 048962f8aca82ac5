"""Why published results were changed or removed: `changes.jsonl` in the results folder.

A line for each change, oldest first, that names the file, its digest before and after, and says
why. `suite submit --reason` writes it; the check of a submission refuses a published result that is
another one now, or gone, without such a line.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from suite.results.fields import Record, Text
from suite.results.record_lists import append, read_list

NAME = "changes.jsonl"
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Change(Record):
    """One change of a published result."""

    #: below the results folder
    path: Text
    was: _Digest
    #: None: it was removed
    now: _Digest | None
    why: Text


def changes_file(results: Path) -> Path:
    """Where the changes of a results folder are listed."""
    return results / NAME


def read_changes(results: Path) -> list[Change]:
    """The changes of a results folder, oldest first; raises UsageError if the file is damaged."""
    return read_list(changes_file(results), Change)


def add_changes(results: Path, new: Iterable[Change]) -> Path:
    """Append changes; returns the file's path."""
    append(changes_file(results), Change, new)
    return changes_file(results)
