"""What the fields of a file may hold: numbers, texts, names and columns, each with a bound."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

#: floats stay below it: squares of them are still finite
MAX_NUMBER = 1e100
#: metrics other than the score's stay below it: a perplexity may be large
MAX_METRIC = 1e300
#: integers stay below it: as large as a column of a table can hold
MAX_INTEGER = 2**63
#: trials, seeds, versions and the like
MAX_COUNT = 10_000
#: evaluation points of one run
MAX_POINTS = 20_000
#: metrics of one run on one part of the data
MAX_METRICS = 200
#: characters of a name
MAX_NAME = 60


def check_line(text: str) -> str:
    """The text itself, if it is one line that can be written to any file; raises ValueError."""
    return _without_control(text, allowed="")


def check_lines(text: str) -> str:
    """The text itself, if it is lines of text: line breaks and tabs are fine; raises ValueError."""
    return _without_control(text, allowed="\n\t")


def printable(text: str) -> str:
    """A text that `check_lines` accepts: characters that it refuses are written as escapes.

    For texts from outside, such as the message of an exception.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(_escaped(c) if _refused(c) and c not in "\n\t" else c for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def _without_control(text: str, allowed: str) -> str:
    for at, character in enumerate(text):
        if _refused(character) and character not in allowed:
            raise ValueError(f"a control character, {character!r}, at position {at}")
    return text


def _refused(character: str) -> bool:
    """Control characters, line and paragraph separators, and halves of a surrogate pair."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


#: what components, tasks, metrics and hyperparameters may be called
NAME_PATTERN = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME)]
MethodName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*(\+[a-z][a-z0-9_]*)*(@[a-z][a-z0-9_]*)?$", max_length=200),
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]
Number = Annotated[float, Field(allow_inf_nan=False, gt=-MAX_NUMBER, lt=MAX_NUMBER)]
NotNegative = Annotated[float, Field(allow_inf_nan=False, ge=0, lt=MAX_NUMBER)]
Positive = Annotated[float, Field(allow_inf_nan=False, gt=0, lt=MAX_NUMBER)]
Integer = Annotated[int, Field(gt=-MAX_INTEGER, lt=MAX_INTEGER)]
Count = Annotated[int, Field(ge=0, lt=MAX_INTEGER)]
#: numbers of items that a result lists, and versions of an item
Few = Annotated[int, Field(ge=1, le=MAX_COUNT)]
#: one line
Text = Annotated[str, Field(max_length=2_000), AfterValidator(check_line)]
#: a message or a traceback
Lines = Annotated[str, Field(max_length=20_000), AfterValidator(check_lines)]
Value = bool | Integer | Number | Annotated[str, Field(max_length=200), AfterValidator(check_line)]
Measured = Annotated[float, Field(allow_inf_nan=False, gt=-MAX_METRIC, lt=MAX_METRIC)]
Metrics = dict[Name, Annotated[list[Measured], Field(max_length=MAX_POINTS)]]
Column = Annotated[list[Number], Field(max_length=MAX_POINTS)]
SparseColumn = Annotated[list[Number | None], Field(max_length=MAX_POINTS)]


class Record(BaseModel):
    """A part of a file: its fields are checked, no others are allowed, nothing is changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EvenlySpaced(Record):
    """A column in a file that is `numpy.linspace(first, last, points)`, except for a few values.

    A step that passes over an evaluation point moves it to where the step ends.
    """

    first: Number
    last: Number
    points: Annotated[int, Field(ge=2, le=MAX_POINTS)]
    #: places of other values in the column, counted from 0
    moved: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MAX_POINTS)] = []
    #: the values at these places
    to: Column = []

    @model_validator(mode="after")
    def _moved_values_have_places(self) -> EvenlySpaced:
        if len(self.moved) != len(self.to) or any(at >= self.points for at in self.moved):
            raise ValueError("'moved' and 'to' are places among the points, and a value for each")
        return self

    @classmethod
    def of(cls, column: list[float]) -> EvenlySpaced:
        """A column of at least two values, in short."""
        even = cls(first=column[0], last=column[-1], points=len(column))
        moved = [at for at, (x, y) in enumerate(zip(even.column(), column, strict=True)) if x != y]
        return even.model_copy(update={"moved": moved, "to": [column[at] for at in moved]})

    def column(self) -> list[float]:
        """The values."""
        width, parts = self.last - self.first, self.points - 1
        values = [self.first + width * part / parts for part in range(self.points)]
        for at, value in zip(self.moved, self.to, strict=True):
            values[at] = value
        return values


def _lengthened(value: Any) -> Any:
    """A column as it is in a file, as a list."""
    if not isinstance(value, dict):
        return value
    try:
        return EvenlySpaced.model_validate(value).column()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _shortened(column: list[float]) -> list[float] | dict[str, Any]:
    """A column as it goes into a file: in short if most of it is evenly spaced."""
    if len(column) < 3:
        return column
    even = EvenlySpaced.of(column)
    if 4 * len(even.moved) > len(column):
        return column
    return even.model_dump(exclude_defaults=True)


#: a column that mostly is evenly spaced
SpacedColumn = Annotated[
    Column,
    BeforeValidator(_lengthened, json_schema_input_type=Column | EvenlySpaced),
    PlainSerializer(_shortened, when_used="json"),
]
