"""Search spaces: the distributions that a component's hyperparameters are tuned over.

Each distribution carries the default that trial 0 of every study uses. A space is a plain dict
from hyperparameter name to distribution, and is written into every result as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = float | int | str | bool


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
            if not self.choices or self.default not in self.choices:
                raise ValueError(f"default {self.default!r} is not among {self.choices!r}")
            if not all(isinstance(value, (bool, int, float, str)) for value in self.choices):
                raise ValueError(f"choices are numbers, texts, True or False: {self.choices!r}")
            return
        assert self.low is not None and self.high is not None
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"needs finite low < high, got {self.low} and {self.high}")
        if self.kind == "log_uniform" and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, got {self.low}")
        if not self.low <= float(self.default) <= self.high:
            raise ValueError(f"default {self.default} lies outside [{self.low}, {self.high}]")

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
    """Any number between low and high, each as likely."""
    return Distribution("uniform", float(default), float(low), float(high))


def log_uniform(low: float, high: float, *, default: float) -> Distribution:
    """Any number between low and high, each order of magnitude as likely."""
    return Distribution("log_uniform", float(default), float(low), float(high))


def integer(low: int, high: int, *, default: int) -> Distribution:
    """A whole number from low to high, both included."""
    if any(not isinstance(number, int) for number in (low, high, default)):
        raise ValueError(f"an integer range takes whole numbers, got {low}, {high}, {default}")
    return Distribution("integer", default, low, high)


def choice(*choices: Value, default: Value) -> Distribution:
    """One of the given values."""
    return Distribution("choice", default, choices=choices)
