"""Sweeps: studies whose trials lie on a grid, for claims about how a hyperparameter matters.

A sweep is no tuning: trial 0 has the defaults, and the others are every combination of values,
evenly spaced over the declared ranges of the swept hyperparameters, with the defaults for the rest.
Rules of scaling sweep one hyperparameter in finer steps, over a range that they state, and may give
others a value that is not the default.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import suite
from suite.components.search import Distribution
from suite.errors import UsageError
from suite.results.model import SamplerRecord
from suite.studies.protocol import Grid, StudyRules

#: values for each factor of ten, of one swept hyperparameter and of each of two
PER_DECADE = {1: 2, 2: 1}
REPLICATES = 3
#: the same for rules of scaling, whose optimum is looked for between the values
FINE = 4
FINE_REPLICATES = 5
#: what protocols of rules of scaling are called, before the hyperparameter
TRANSFER = "transfer"
#: digits of a value: enough that another processor proposes the same
_DIGITS = 6
#: letters of a hash that tell two grids apart
_HASH = 6


def sweep_rules(name: str, space: Mapping[str, Distribution], swept: Sequence[str]) -> StudyRules:
    """The rules of a sweep; alternatives are in one name, "weight_decay|strength".

    Raises UsageError if the method has not exactly one of them with a logarithmic range.
    """
    summary = f"a grid over {' and '.join(swept)}; never ranked"
    return _rules(name, space, coarse(swept), REPLICATES, summary)


def coarse(swept: Sequence[str]) -> Grid:
    """The grid of a sweep: over the whole range of one or two hyperparameters."""
    return Grid(tuple(swept), PER_DECADE[len(swept)])


def transfer_rules(
    space: Mapping[str, Distribution],
    hyperparameter: str,
    bounds: tuple[float, float] | None,
    sets: Mapping[str, Any],
) -> StudyRules:
    """The rules of a study of one size of a rule of scaling: see `suite.components.rules`.

    The name holds a hash of the grid: studies of the same grid are one study, whichever rule asks
    for it, and those of an edited rule are others. Raises UsageError for a hyperparameter without a
    logarithmic range or numbers to choose from, and for values outside of the space.
    """
    fixed = tuple(sorted(sets.items()))
    chosen = Grid((hyperparameter,), FINE, bounds=bounds, fixed=fixed, whole_curves=False)
    text = json.dumps([hyperparameter, [list(point.items()) for point in grid(space, chosen)[1:]]])
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH]
    summary = f"a fine grid over {hyperparameter}, for rules of scaling; never ranked"
    name = f"{TRANSFER}_{hyperparameter}_{digest}"
    return _rules(name, space, chosen, FINE_REPLICATES, summary)


def _rules(
    name: str, space: Mapping[str, Distribution], chosen: Grid, replicates: int, summary: str
) -> StudyRules:
    trials = len(grid(space, chosen))
    return StudyRules(
        name=name,
        version=1,
        replicates=replicates,
        trials=trials,
        seeds=1,
        generation=trials,
        swept=chosen,
        ranked=False,
        summary=summary,
    )


def grid_record(chosen: Grid) -> SamplerRecord:
    """What a result says about how the configurations of a sweep were chosen."""
    arguments: dict[str, Any] = {
        "hyperparameters": ", ".join(chosen.hyperparameters),
        "per_decade": chosen.per_decade,
    }
    if chosen.bounds is not None:
        arguments |= dict(zip(("low", "high"), chosen.bounds, strict=True))
    arguments |= {f"fixed {name}": value for name, value in chosen.fixed}
    return SamplerRecord(
        name="grid", arguments=arguments, package="optimizer-suite", version=suite.__version__
    )


def grid(space: Mapping[str, Distribution], chosen: Grid) -> list[dict[str, Any]]:
    """The configurations of a sweep, as flat hyperparameters, the defaults first."""
    defaults = {name: distribution.default for name, distribution in space.items()}
    keys = [_key(space, names) for names in chosen.hyperparameters]
    values = [_values(key, space[key], chosen) for key in keys]
    others = {_key(space, name): value for name, value in chosen.fixed}
    for key, value in others.items():
        _check_inside(key, space[key], value)
    points = itertools.product(*values)
    start = {**defaults, **others}
    return [defaults, *({**start, **dict(zip(keys, point, strict=True))} for point in points)]


def _key(space: Mapping[str, Distribution], names: str) -> str:
    """The flat name of a hyperparameter that any component of the method has."""
    found = [key for key in space if key.partition(".")[2] in names.split("|")]
    if len(found) != 1:
        raise UsageError(
            f"a sweep of {names} needs a method with one such hyperparameter; this one has "
            f"{', '.join(found) or 'none'}."
        )
    return found[0]


def _values(key: str, space: Distribution, chosen: Grid) -> list[Any]:
    """From the low to the high end of a logarithmic range, as near to `per_decade` as fits.

    All numbers that there are to choose from, if the grid has no bounds and the space choices.
    """
    numbers = [c for c in space.choices or () if isinstance(c, (int, float)) and c > 0]
    if chosen.bounds is None and len(numbers) > 1:
        return sorted(numbers)
    if space.kind != "log_uniform":
        raise UsageError(f"{key} has no logarithmic range: a sweep of it has no even steps.")
    assert space.low is not None and space.high is not None
    first, last = chosen.bounds or (space.low, space.high)
    for end in (first, last):
        _check_inside(key, space, end)
    low, high = math.log10(first), math.log10(last)
    steps = max(1, round((high - low) * chosen.per_decade))
    inner = [10 ** (low + (high - low) * step / steps) for step in range(1, steps)]
    return [float(first), *(float(f"{v:.{_DIGITS}g}") for v in inner), float(last)]


def _check_inside(key: str, space: Distribution, value: Any) -> None:
    """Raise UsageError for a value that the search space does not hold."""
    if space.choices is not None:
        inside = any(type(c) is type(value) and c == value for c in space.choices)
    else:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        assert space.low is not None and space.high is not None
        inside = number and space.low <= value <= space.high
        inside = inside and (space.kind != "integer" or isinstance(value, int))
    if not inside:
        raise UsageError(f"{key}={value!r} is outside of its search space, {space}.")
