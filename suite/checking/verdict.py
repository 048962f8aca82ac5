"""Verdicts: what a check says about a component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: a warning and a note are no failure; "not applicable" says why in `seen`
Outcome = Literal["ok", "problem", "warning", "note", "not applicable"]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check."""

    check: str
    outcome: Outcome
    #: what was seen, in one line
    seen: str
    #: what to write instead, in one sentence; empty where nothing is to be mended
    cure: str = ""

    @property
    def failed(self) -> bool:
        """Whether the component must be mended."""
        return self.outcome == "problem"
