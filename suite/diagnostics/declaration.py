"""The declaration of a diagnostic: `suite.diagnostic(name, measure, unit=..., cost=..., ...)`.

A diagnostic is one file, as every component is, in `baselines/diagnostics/` or elsewhere.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from suite.components import registry
from suite.components.claims import Claim, checked
from suite.components.declaration import About, check_name, check_number_and_texts, one_line
from suite.components.discovery import declaring_file
from suite.components.fingerprints import hash_of_code, source_hash
from suite.components.imports import imported
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.diagnostics.probe import Probe

#: what a measure returns: a number, or one for each name of its unit; None where there is none
Values = float | Mapping[str, float | None]
#: up to this price, in gradient evaluations, a diagnostic is one of `--probe cheap`
CHEAP = 0.5
#: values that one diagnostic may return
MAX_VALUES = 8
_MAX_COLUMN = 60
_MAX_UNIT = 100


@dataclass(frozen=True)
class Diagnostic:
    """A registered diagnostic and what a reader must know about it."""

    name: str
    measure: Callable[[Probe], Values]
    paper: str
    url: str
    summary: str
    #: the unit of each value by its name; of a single value, under the empty name
    units: Mapping[str, str]
    #: what one measurement takes, in gradient evaluations of the probing batch
    cost: float
    version: int
    path: Path
    source_hash: str
    authors: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    #: what papers say of it, which results with its columns decide
    claims: tuple[Claim, ...] = ()
    kind: Literal["diagnostic"] = field(default="diagnostic", init=False)

    @property
    def columns(self) -> dict[str, str]:
        """The columns of a curve that it fills, and the unit of each."""
        return {_column(self.name, value): unit for value, unit in self.units.items()}

    @property
    def cheap(self) -> bool:
        """Whether `--probe cheap` has it."""
        return self.cost <= CHEAP


def diagnostic(
    name: str,
    measure: Callable[[Probe], Values],
    *,
    paper: str,
    url: str,
    unit: str | Mapping[str, str],
    cost: float,
    summary: str = "",
    version: int = 1,
    authors: Sequence[str] = (),
    claims: Sequence[Claim] = (),
) -> None:
    """Register a diagnostic: `measure(probe)` returns a number, or several by name.

    `probe` is a `suite.Probe`. `unit` is the unit of the number ("ratio", "loss"), or a dict of the
    values' names to their units; then `measure` returns a dict of these names, with None for a
    value that does not exist at this point. `cost` is what one measurement takes, in gradient
    evaluations of the probing batch. A measure that does not fit the task raises
    `suite.NotApplicable` with the reason. `claims` are what papers say of it (`suite.Claim`); each
    names its method, or is a correlation over all.
    """
    name = check_name(name)
    path = declaring_file("diagnostic", name, measure)
    who = f"{path}: diagnostic {name!r}"
    about = About(paper, url, summary or _first_line(measure), version, authors, "", ())
    check_number_and_texts(who, about)
    _check_measure(who, measure)
    _check_cost(who, cost)
    registry.add(
        Diagnostic(
            name=name,
            measure=measure,
            paper=one_line(paper),
            url=one_line(url),
            summary=one_line(about.summary),
            units=_checked_units(who, name, unit),
            cost=float(cost),
            version=version,
            path=path,
            source_hash=source_hash(path) if path.is_file() else hash_of_code(measure),
            authors=tuple(one_line(author) for author in authors),
            packages=imported(path).packages if path.is_file() else (),
            claims=checked(who, claims, alone=False),
        )
    )


def _column(name: str, value: str) -> str:
    return f"{name}_{value}" if value else name


def _first_line(measure: Any) -> str:
    return ((getattr(measure, "__doc__", None) or "").strip().splitlines() or [""])[0]


def _check_measure(who: str, measure: object) -> None:
    """Raise UsageError unless `measure` can be called with a probe alone."""
    if not callable(measure):
        raise UsageError(f"{who}: the second argument is a function, not {measure!r}.")
    try:
        inspect.signature(measure).bind(None)
    except TypeError:
        called = getattr(measure, "__qualname__", repr(measure))
        raise UsageError(
            f"{who}: {called} is called with one argument: def measure(probe)."
        ) from None


def _check_cost(who: str, cost: object) -> None:
    number = isinstance(cost, (int, float)) and not isinstance(cost, bool)
    if not number or not 0 <= cost < math.inf:  # type: ignore[operator]
        raise UsageError(
            f"{who}: cost is a number of gradient evaluations, 0 for none, not {cost!r}."
        )


def _checked_units(who: str, name: str, unit: object) -> dict[str, str]:
    """The unit by value; raises UsageError for what no result could hold."""
    units = {"": unit} if isinstance(unit, str) else unit
    if not isinstance(units, Mapping) or not 1 <= len(units) <= MAX_VALUES:
        raise UsageError(
            f"{who}: unit is a text, or a dict of 1 to {MAX_VALUES} names of values to texts, not "
            f"{unit!r}."
        )
    for value, text in units.items():
        if value != "" or not isinstance(unit, str):
            try:
                check_name(value)
            except UsageError as error:
                raise UsageError(f"{who}: the value {error}") from None
        if not isinstance(text, str) or not text.strip() or len(text) > _MAX_UNIT:
            raise UsageError(f"{who}: a unit is a text of 1 to {_MAX_UNIT} letters, not {text!r}.")
        if len(_column(name, value)) > _MAX_COLUMN:
            raise UsageError(
                f"{who}: {_column(name, value)!r} has more than {_MAX_COLUMN} letters."
            )
    return {value: one_line(str(text)) for value, text in units.items()}
