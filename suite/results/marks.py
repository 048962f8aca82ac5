"""Verification records: what maintainers found when they ran results again.

A file `verifications.jsonl` in the results folder, a line for each verification, oldest first. A
record names a result by its digest, so that a changed result loses its mark. `suite verify
--record` writes it; a submission must not change it (`scripts/check_submission.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from suite.results.fields import Few, MethodName, Name, Record, Text
from suite.results.record_lists import append, read_list

NAME = "verifications.jsonl"
#: what a reader may think of a result: nobody has run it again; some of its runs repeated; it held
#: under seeds that its author could not know; the last verification of one kind found otherwise
Mark = Literal["claimed", "replayed", "verified", "disputed"]


class Verification(Record):
    """One verification of one result."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    task: Name
    method: MethodName
    protocol: Name
    #: "replay": recorded runs again; "secret": evaluation runs from fresh seeds
    kind: Literal["replay", "secret"]
    held: bool
    #: runs that were run, and how much of the budget of each
    runs: Few
    share: Annotated[float, Field(gt=0, le=1)]
    #: what was found, in words
    found: Text
    #: of the suite that verified
    commit: Text | None
    cpu: Text
    #: UTC, ISO 8601
    when: Text


def marks_file(results: Path) -> Path:
    """Where the records of a results folder are."""
    return results / NAME


def read_verifications(results: Path) -> list[Verification]:
    """The records of a results folder, oldest first; raises UsageError if they are damaged."""
    return read_list(marks_file(results), Verification)


def add(results: Path, new: Iterable[Verification]) -> Path:
    """Append records; returns the file's path."""
    append(marks_file(results), Verification, new)
    return marks_file(results)


def marks(found: Iterable[Verification]) -> dict[str, Mark]:
    """The mark of each result that was verified, by its digest; of each kind the last one counts.

    A result that did not hold is disputed until the same kind of verification finds otherwise.
    """
    last: dict[str, dict[str, bool]] = {}
    for each in found:
        last.setdefault(each.digest, {})[each.kind] = each.held
    return {digest: _mark(kinds) for digest, kinds in last.items()}


def _mark(kinds: dict[str, bool]) -> Mark:
    if not all(kinds.values()):
        return "disputed"
    return "verified" if "secret" in kinds else "replayed"
