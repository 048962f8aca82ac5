"""The declaration of a rule of scaling: `suite.rule(name, predicts=..., method=..., ...)`.

A rule is one file, as every component is, in `baselines/rules/` or elsewhere.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from suite.components import registry
from suite.components.declaration import About, check_name, check_number_and_texts, one_line
from suite.components.discovery import declaring_file
from suite.components.fingerprints import hash_of_code, source_hash
from suite.components.imports import imported
from suite.components.rules import QUANTITIES, Predicts, Quantity, Rule, Value
from suite.errors import UsageError

#: a base and what is predicted from it
_FEWEST = 2


def rule(
    name: str,
    predicts: Predicts,
    *,
    paper: str,
    url: str,
    place: str,
    method: str,
    hyperparameter: str,
    sizes: Sequence[str | tuple[str, Mapping[str, Value]]],
    bounds: tuple[float, float] | None = None,
    quantity: Quantity = "value",
    fitted: bool = False,
    summary: str = "",
    version: int = 1,
    authors: Sequence[str] = (),
) -> None:
    """Register a rule: `predicts(size, base)` is the factor by which the best value changes.

    `size` and `base` are `suite.Size`. `sizes` lists tasks by name, the base first; a pair
    `("digits", {"momentum": 0.9})` gives other hyperparameters of the method a value in the studies
    of this size. `method` is a name such as `sgd+iterate_ema`, whose `hyperparameter` is swept:
    over `bounds`, about four values for each factor of ten, or over all of its choices. `quantity`
    is "forgetting" if the rule is about -ln of the value, as for the decay of a moving average.

    With `fitted` the rule has a constant that only measuring tells: the first size after the base
    fixes it, and `predicts(size, base, known, factor)` also gets that size and the factor that was
    measured there. `summary` is the docstring's first line if it is not given; `place` says where
    the paper states the rule.
    """
    name = check_name(name)
    path = declaring_file("rule", name, predicts)
    who = f"{path}: rule {name!r}"
    about = About(paper, url, summary or _first_line(predicts), version, authors, "", ())
    check_number_and_texts(who, about)
    for field, text in (("place", place), ("method", method), ("hyperparameter", hyperparameter)):
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"{who}: {field} is a text that is not empty, not {text!r}.")
    if not isinstance(fitted, bool):
        raise UsageError(f"{who}: fitted is True or False, not {fitted!r}.")
    if quantity not in QUANTITIES:
        raise UsageError(f"{who}: quantity is one of {', '.join(QUANTITIES)}, not {quantity!r}.")
    _check_function(who, predicts, fitted)
    registry.add(
        Rule(
            name=name,
            summary=one_line(about.summary),
            paper=one_line(paper),
            url=one_line(url),
            place=one_line(place),
            method=method,
            hyperparameter=hyperparameter,
            sizes=_checked_sizes(who, sizes, hyperparameter, fitted),
            predicts=predicts,
            bounds=_checked_bounds(who, bounds),
            quantity=quantity,
            fitted=fitted,
            version=version,
            path=path,
            source_hash=source_hash(path) if path.is_file() else hash_of_code(predicts),
            authors=tuple(one_line(author) for author in authors),
            packages=imported(path).packages if path.is_file() else (),
        )
    )


def _first_line(predicts: Any) -> str:
    return ((getattr(predicts, "__doc__", None) or "").strip().splitlines() or [""])[0]


def _check_function(who: str, predicts: object, fitted: bool) -> None:
    """Raise UsageError unless `predicts` can be called as it will be."""
    if not callable(predicts):
        raise UsageError(f"{who}: the second argument is a function, not {predicts!r}.")
    given = ("size", "base", "known", "factor") if fitted else ("size", "base")
    try:
        inspect.signature(predicts).bind(*given)
    except TypeError:
        called = getattr(predicts, "__qualname__", repr(predicts))
        raise UsageError(
            f"{who}: {called} is called with {len(given)} arguments: "
            f"def {called}({', '.join(given)})."
        ) from None


def _checked_sizes(
    who: str, sizes: object, hyperparameter: str, fitted: bool
) -> tuple[tuple[str, Mapping[str, Value]], ...]:
    """The sizes as pairs; raises UsageError for what is none, and for too few."""
    least = _FEWEST + fitted
    if isinstance(sizes, str) or not isinstance(sizes, Sequence) or len(sizes) < least:
        of = "the base, one that fixes the constant, and more" if fitted else "the base and more"
        raise UsageError(f"{who}: sizes is a list of at least {least} tasks, {of}, not {sizes!r}.")
    found = []
    for size in sizes:
        task, sets = (size, {}) if isinstance(size, str) else _pair(who, size)
        if hyperparameter in sets:
            raise UsageError(f"{who}: {hyperparameter} is swept, and no size gives it a value.")
        found.append((task, dict(sets)))
    if any(pair in found[:i] for i, pair in enumerate(found)):
        raise UsageError(f"{who}: a size is given twice: {found!r}.")
    return tuple(found)


def _pair(who: str, size: object) -> tuple[str, Mapping[str, Value]]:
    if isinstance(size, tuple) and len(size) == 2:
        task, sets = size
        plain = isinstance(sets, Mapping) and all(
            isinstance(value, (bool, int, float, str)) for value in sets.values()
        )
        if isinstance(task, str) and plain:
            return task, sets
    raise UsageError(
        f"{who}: a size is the name of a task, or a pair of it and a dict of hyperparameters such "
        f'as ("digits", {{"momentum": 0.9}}), not {size!r}.'
    )


def _checked_bounds(who: str, bounds: object) -> tuple[float, float] | None:
    """The range that is swept; raises UsageError for what is none."""
    if bounds is None:
        return None
    if isinstance(bounds, tuple) and len(bounds) == 2:
        low, high = bounds
        numbers = all(isinstance(b, (int, float)) and not isinstance(b, bool) for b in bounds)
        if numbers and 0 < low < high < math.inf:
            return float(low), float(high)
    raise UsageError(f"{who}: bounds is a pair of numbers, 0 < low < high, not {bounds!r}.")
