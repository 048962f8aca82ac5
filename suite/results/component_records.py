"""What a result says of a method's components and of the diagnostics that looked at its runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from suite.results.fields import (
    MAX_COUNT,
    Digest,
    Few,
    Integer,
    Name,
    NotNegative,
    Number,
    Record,
    Text,
    Value,
)


class DistributionRecord(Record):
    """One hyperparameter's search space."""

    kind: Literal["uniform", "log_uniform", "integer", "choice"]
    default: Value
    low: Integer | Number | None = None
    high: Integer | Number | None = None
    choices: Annotated[list[Value], Field(min_length=1, max_length=1_000)] | None = None

    @model_validator(mode="after")
    def _bounds_fit_the_kind(self) -> DistributionRecord:
        if self.kind == "choice":
            if self.choices is None or self.low is not None or self.high is not None:
                raise ValueError("a choice has choices, and neither low nor high")
        elif self.choices is not None or self.low is None or self.high is None:
            raise ValueError(f"{self.kind} has low and high, and no choices")
        elif not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")
        elif self.kind == "log_uniform" and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got {self.low}")
        elif self.kind == "integer" and not all(
            type(number) is int for number in (self.low, self.high)
        ):
            raise ValueError("an integer range has whole numbers as low and high")
        if not self.holds(self.default):
            raise ValueError(f"the default {self.default!r} is not in the range")
        return self

    def holds(self, value: Value) -> bool:
        """Whether a hyperparameter may have this value."""
        if self.choices is not None:
            return any(type(value) is type(c) and value == c for c in self.choices)
        if isinstance(value, (bool, str)) or self.low is None or self.high is None:
            return False
        whole = type(value) is int or self.kind != "integer"
        return whole and self.low <= value <= self.high


class ComponentRecord(Record):
    """An optimizer, regularizer or schedule as it was when it ran."""

    kind: Literal["optimizer", "regularizer", "schedule"]
    name: Name
    version: Few
    source_hash: Digest
    paper: Text
    url: Text
    search_space: Annotated[dict[Name, DistributionRecord], Field(max_length=200)]
    authors: Annotated[list[Text], Field(max_length=200)] = Field(default_factory=list)
    #: why it computes more per example than is charged, if its author says so; empty otherwise
    extra_work: Text = ""


class DiagnosticRecord(Record):
    """A diagnostic as it was when it looked at the evaluation runs; it decides nothing."""

    name: Name
    version: Few
    source_hash: Digest
    paper: Text
    url: Text
    #: columns of the runs' `diagnostics`, and the unit of each
    columns: Annotated[dict[Name, Text], Field(min_length=1, max_length=20)]
    #: of one measurement, in gradient evaluations of the probing batch
    cost: NotNegative
    #: time that it took in all evaluation runs together
    seconds: NotNegative
    #: why values are missing that were to be measured, by run: "replicate.run"
    notes: Annotated[dict[Text, Text], Field(max_length=MAX_COUNT)] = Field(default_factory=dict)
