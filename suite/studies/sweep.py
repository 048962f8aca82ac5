"""Sweeps: studies whose trials lie on a grid, for claims about how a hyperparameter matters.

A sweep is no tuning: trial 0 has the defaults, and the others are every combination of values,
evenly spaced over the declared ranges of the swept hyperparameters, with the defaults for the rest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import suite
from suite.components.search import Distribution
from suite.errors import UsageError
from suite.results.model import SamplerRecord
from suite.studies.protocol import StudyRules

#: values for each factor of ten, of one swept hyperparameter and of each of two
PER_DECADE = {1: 2, 2: 1}
REPLICATES = 3
#: digits of a value: enough that another processor proposes the same
_DIGITS = 6


def sweep_rules(name: str, space: Mapping[str, Distribution], swept: Sequence[str]) -> StudyRules:
    """The rules of a sweep; alternatives are in one name, "weight_decay|strength".

    Raises UsageError if the method has not exactly one of them with a logarithmic range.
    """
    trials = len(grid(space, swept))
    return StudyRules(
        name=name,
        version=1,
        replicates=REPLICATES,
        trials=trials,
        seeds=1,
        generation=trials,
        swept=tuple(swept),
        ranked=False,
        summary=f"a grid over {' and '.join(swept)}; never ranked",
    )


def grid_record(swept: Sequence[str]) -> SamplerRecord:
    """What a result says about how the configurations of a sweep were chosen."""
    return SamplerRecord(
        name="grid",
        arguments={"hyperparameters": ", ".join(swept), "per_decade": PER_DECADE[len(swept)]},
        package="optimizer-suite",
        version=suite.__version__,
    )


def grid(space: Mapping[str, Distribution], swept: Sequence[str]) -> list[dict[str, Any]]:
    """The configurations of a sweep, as flat hyperparameters, the defaults first."""
    defaults = {name: distribution.default for name, distribution in space.items()}
    keys = [_key(space, names) for names in swept]
    values = [_values(key, space[key], PER_DECADE[len(swept)]) for key in keys]
    points = itertools.product(*values)
    return [defaults, *({**defaults, **dict(zip(keys, point, strict=True))} for point in points)]


def _key(space: Mapping[str, Distribution], names: str) -> str:
    """The flat name of a hyperparameter that any component of the method has."""
    found = [key for key in space if key.partition(".")[2] in names.split("|")]
    if len(found) != 1:
        raise UsageError(
            f"a sweep of {names} needs a method with one such hyperparameter; this one has "
            f"{', '.join(found) or 'none'}."
        )
    return found[0]


def _values(key: str, space: Distribution, per_decade: int) -> list[float]:
    """From the low to the high end of a logarithmic range, as near to `per_decade` as fits."""
    if space.kind != "log_uniform":
        raise UsageError(f"{key} has no logarithmic range: a sweep of it has no even steps.")
    assert space.low is not None and space.high is not None
    low, high = math.log10(space.low), math.log10(space.high)
    steps = max(1, round((high - low) * per_decade))
    inner = [10 ** (low + (high - low) * step / steps) for step in range(1, steps)]
    return [float(space.low), *(float(f"{v:.{_DIGITS}g}") for v in inner), float(space.high)]
