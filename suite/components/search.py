"""Search spaces: the distributions from which a component's hyperparameters are tuned.

Each distribution carries the default that trial 0 of every study uses. A space is a plain dict
from hyperparameter name to distribution, and is written into every result as JSON.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = float | int | str | bool

#: numbers are smaller than this in a result; whole numbers fit into 64 bits
LARGEST = 1e100
LARGEST_INTEGER = 2**63
MAX_CHOICES = 1000
#: characters of a text among the choices
MAX_VALUE = 200


def check_number(value: float) -> None:
    """Raise ValueError for a number that no result could hold."""
    if isinstance(value, int):
        if abs(value) >= LARGEST_INTEGER:
            raise ValueError(f"{value} does not fit into 64 bits: no result could hold it")
    elif not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number: no result could hold it")
    elif abs(value) >= LARGEST:
        raise ValueError(f"{value} is too large: numbers are smaller than {LARGEST:g}")


def check_text(text: str, longest: int) -> None:
    """Raise ValueError for a text that no result could hold."""
    if len(text) > longest:
        raise ValueError(f"a text of {len(text)} characters, {text[:30]!r}...: {longest} at most")
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"{text[:60]!r} holds the control character {character!r}")


def _plain(value: Any) -> Any:
    """A NumPy or torch number as Python's own; anything else unchanged."""
    convert = getattr(value, "item", None)
    return convert() if callable(convert) and getattr(value, "ndim", None) == 0 else value


@dataclass(frozen=True)
class Distribution:
    """One hyperparameter's range; made by the functions below."""

    kind: str
    default: Value
    low: float | int | None = None
    high: float | int | None = None
    choices: tuple[Value, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind == "choice":
            self._check_choices()
            return
        assert self.low is not None and self.high is not None
        for bound in (self.low, self.high):
            if isinstance(bound, int):
                check_number(bound)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"needs finite low < high, got {self.low} and {self.high}")
        if self.kind == "log_uniform" and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got {self.low}")
        for bound in (self.low, self.high):
            check_number(bound)
        if not self.low <= float(self.default) <= self.high:
            raise ValueError(f"default {self.default} is outside [{self.low}, {self.high}]")

    def _check_choices(self) -> None:
        choices = self.choices or ()
        if not all(isinstance(value, (bool, int, float, str)) for value in choices):
            raise ValueError(
                f"choices are numbers, texts, True or False, one by one (`choice(*values, ...)`): "
                f"{choices!r}"
            )
        if len(choices) > MAX_CHOICES:
            raise ValueError(f"at most {MAX_CHOICES} choices, not {len(choices)}")
        for value in choices:
            if isinstance(value, str):
                check_text(value, MAX_VALUE)
            else:
                check_number(value)
        if len(set(choices)) != len(choices):
            raise ValueError(f"a choice is given twice: {choices!r}")
        if not any(type(c) is type(self.default) and c == self.default for c in choices):
            raise ValueError(f"default {self.default!r} is not among {choices!r}")

    def to_optuna(self) -> BaseDistribution:
        """The same distribution for Optuna."""
        from optuna import distributions

        if self.choices is not None:
            return distributions.CategoricalDistribution(self.choices)
        assert self.low is not None and self.high is not None
        if self.kind == "integer":
            return distributions.IntDistribution(int(self.low), int(self.high))
        return distributions.FloatDistribution(self.low, self.high, log=self.kind == "log_uniform")

    def to_json(self) -> dict[str, Any]:
        """What a result file stores."""
        fields: dict[str, Any] = {
            "kind": self.kind,
            "default": self.default,
            "low": self.low,
            "high": self.high,
        }
        if self.choices is not None:
            fields["choices"] = list(self.choices)
        return {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        if self.kind == "choice":
            return "one of " + ", ".join(str(choice) for choice in self.choices or ())
        return f"{self.kind.replace('_', '-')} {self.low:g} to {self.high:g}"


SearchSpace = Mapping[str, Distribution]


def uniform(low: float, high: float, *, default: float) -> Distribution:
    """Any number between low and high, all equally likely."""
    return Distribution("uniform", float(default), float(low), float(high))


def log_uniform(low: float, high: float, *, default: float) -> Distribution:
    """Any number between low and high, all orders of magnitude equally likely."""
    return Distribution("log_uniform", float(default), float(low), float(high))


def integer(low: int, high: int, *, default: int) -> Distribution:
    """A whole number from low to high, both included."""
    low, high, default = _plain(low), _plain(high), _plain(default)
    if any(not isinstance(number, int) for number in (low, high, default)):
        raise ValueError(f"an integer range takes whole numbers, got {low}, {high}, {default}")
    return Distribution("integer", default, low, high)


def choice(*choices: Value, default: Value) -> Distribution:
    """One of the given values."""
    plain, wanted = tuple(_plain(value) for value in choices), _plain(default)
    numbers = [c for c in plain if isinstance(c, (int, float)) and not isinstance(c, bool)]
    if type(wanted) in (int, float) and wanted in numbers:
        wanted = numbers[numbers.index(wanted)]  # 1 means 1.0 where that is the choice
    return Distribution("choice", wanted, choices=plain)
