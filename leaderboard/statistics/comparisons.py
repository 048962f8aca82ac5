"""All methods of a task compared with one another: verdicts, ranks as ranges, who may be best."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.statistics.intervals import (
    LEVEL,
    Interval,
    detectable_difference,
    half_width,
    mean_interval,
    p_values,
    replicates,
)
from leaderboard.statistics.variances import Floats, Prior, pool

Verdict = Literal["better", "worse", "tied"]


class Rank(NamedTuple):
    """The best and the worst rank that a method may have; 1 is best."""

    low: int
    high: int


class Pair(NamedTuple):
    """One method compared with another: the first minus the second."""

    value: float
    #: the interval of this one difference, as if no other methods had been compared
    low: float
    high: float
    p: float
    #: the p value that takes all comparisons of the table into account; the verdict's
    adjusted_p: float
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Every pair of some methods compared, under one family-wise error.

    With at least 95% probability no verdict "better" or "worse" of the whole table is wrong, so
    that all rank ranges hold at once.
    """

    #: best mean first
    methods: tuple[str, ...]
    higher_is_better: bool
    #: the mean of each method with its interval
    means: dict[str, Interval]
    #: mean differences, their standard errors, degrees of freedom and p values:
    #: (methods, methods), row minus column, in the order of `methods`
    values: Floats
    errors: Floats
    dof: Floats
    p: Floats
    adjusted_p: Floats
    #: the true difference that one comparison of a typical pair finds with 80% power
    detectable: float

    def pair(self, a: str, b: str) -> Pair:
        """Method `a` compared with method `b`; raises KeyError for an unknown name."""
        i, j = self._position(a), self._position(b)
        value = float(self.values[i, j])
        half = half_width(float(self.errors[i, j]), float(self.dof[i, j]))
        return Pair(
            value,
            value - half,
            value + half,
            float(self.p[i, j]),
            float(self.adjusted_p[i, j]),
            self.verdict(a, b),
        )

    def verdict(self, a: str, b: str) -> Verdict:
        """Whether `a` is better than `b`, worse, or tied with it."""
        sign = self._signs()[self._position(a), self._position(b)]
        return "better" if sign > 0 else "worse" if sign < 0 else "tied"

    @functools.cached_property
    def ranks(self) -> dict[str, Rank]:
        """1 + the number of better methods, to the number of methods that are not worse."""
        signs = self._signs()
        better, worse = (signs < 0).sum(axis=1), (signs > 0).sum(axis=1)
        return {
            method: Rank(1 + int(better[i]), len(self.methods) - int(worse[i]))
            for i, method in enumerate(self.methods)
        }

    @property
    def may_be_best(self) -> tuple[str, ...]:
        """The methods that no method is better than, best mean first."""
        return tuple(method for method, rank in self.ranks.items() if rank.low == 1)

    def tied_with(self, method: str) -> tuple[str, ...]:
        """The other methods that are tied with this one, best mean first."""
        signs = self._signs()[self._position(method)]
        others = zip(self.methods, signs, strict=True)
        return tuple(other for other, sign in others if sign == 0 and other != method)

    def _signs(self) -> Floats:
        """1 where the row is better than the column, -1 where it is worse, 0 where they tie."""
        orientation = 1 if self.higher_is_better else -1
        found = self.adjusted_p <= 1 - LEVEL
        return np.asarray(np.where(found, orientation * np.sign(self.values), 0.0))

    def _position(self, method: str) -> int:
        try:
            return self.methods.index(method)
        except ValueError:
            raise KeyError(f"{method} is not among the methods compared") from None


def holm(p_values: ArrayLike) -> Floats:
    """Holm's adjusted p values, any order: (comparisons,). Holm 1979."""
    given = np.asarray(p_values, float)
    order = np.argsort(given)
    factors = len(given) - np.arange(len(given))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return adjusted


def pool_pairs(scores: ArrayLike) -> Prior:
    """The prior of the variances of differences between pairs: (methods, replicates)."""
    values = np.asarray(scores, float)
    variances = _pair_variances(values)
    return pool(variances[np.triu_indices(len(values), 1)], values.shape[1] - 1)


def task_comparisons(
    scores: Mapping[str, ArrayLike],
    *,
    higher_is_better: bool = True,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    among: Collection[str] | None = None,
) -> Comparisons:
    """Compare all methods of one task: method to scores, (replicates,) each.

    Position r holds the same replicate of every method. `among`: the methods to compare, by
    default all; variances are shared among all in either case. Raises ValueError if methods have
    different numbers of replicates.
    """
    table, names = score_table(scores)
    count = table.shape[1]
    prior = pool(_variances(table), count - 1)
    pair_prior = pool_pairs(table)
    variances, dof = pair_prior.moderated(_pair_variances(table), count - 1)
    errors = np.sqrt(variances / count)
    chosen = [name for name in names if among is None or name in among]
    means = {name: mean_interval(table[names.index(name)], prior, bounds=bounds) for name in chosen}
    keep = [names.index(name) for name in chosen]
    return compare(
        means,
        errors[np.ix_(keep, keep)],
        dof[np.ix_(keep, keep)],
        higher_is_better=higher_is_better,
        detectable=detectable_difference(pair_prior, count),
    )


def compare(
    means: Mapping[str, Interval],
    errors: Floats,
    dof: Floats,
    *,
    higher_is_better: bool,
    detectable: float,
) -> Comparisons:
    """Comparisons from means and from the standard errors of their differences.

    `errors` and `dof` are (methods, methods), in the order of `means`.
    """
    names = list(means)
    sign = -1 if higher_is_better else 1
    order = sorted(range(len(names)), key=lambda i: (sign * means[names[i]].value, names[i]))
    methods = tuple(names[i] for i in order)
    errors, dof = errors[np.ix_(order, order)].copy(), dof[np.ix_(order, order)]
    np.fill_diagonal(errors, 0.0)
    value = np.array([means[name].value for name in methods])
    values = value[:, None] - value[None, :]
    p = p_values(values, errors, dof)
    adjusted = np.ones_like(p)
    upper = np.triu_indices(len(methods), 1)
    adjusted[upper] = holm(p[upper])
    adjusted[upper[::-1]] = adjusted[upper]
    return Comparisons(
        methods=methods,
        higher_is_better=higher_is_better,
        means={name: means[name] for name in methods},
        values=values,
        errors=errors,
        dof=dof,
        p=p,
        adjusted_p=adjusted,
        detectable=detectable,
    )


def score_table(scores: Mapping[str, ArrayLike]) -> tuple[Floats, list[str]]:
    """The scores as (methods, replicates), with the names; raises ValueError if they differ."""
    if not scores:
        raise ValueError("no methods to compare")
    rows = {name: replicates(values) for name, values in scores.items()}
    counts = {name: len(row) for name, row in rows.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"methods have different numbers of replicates: {counts}")
    return np.stack(list(rows.values())), list(rows)


def _variances(table: Floats) -> Floats:
    return np.asarray(table.var(axis=1, ddof=1)) if table.shape[1] > 1 else np.zeros(len(table))


def _pair_variances(table: Floats) -> Floats:
    """Sample variances of all paired differences: (methods, replicates) to (methods, methods)."""
    if table.shape[1] < 2:
        return np.zeros((len(table), len(table)))
    centred = table - table.mean(axis=1, keepdims=True)
    apart = centred[:, None, :] - centred[None, :, :]
    return np.asarray((apart**2).sum(axis=2) / (table.shape[1] - 1))
