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
    interval,
    p_values,
    replicates,
)
from leaderboard.statistics.sharing import (
    Estimates,
    estimates,
    methods_prior,
    paired,
    pairs_prior,
)
from leaderboard.statistics.variances import Floats, Prior

Verdict = Literal["better", "worse", "tied"]
#: the weight of the only table
ONE = np.ones(1)


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
    #: the p value that takes all comparisons of its family into account; the verdict's
    adjusted_p: float
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Every pair of some methods compared.

    With at least 95% probability no verdict of the whole table is wrong, so that all rank ranges
    hold at once; Holm's correction over all pairs.
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
    #: of the variances of differences, and the number of replicates
    prior: Prior
    replicates: int

    def pair(self, a: str, b: str) -> Pair:
        """Method `a` compared with method `b`; raises KeyError for an unknown name."""
        i, j = self._position(a), self._position(b)
        return self._pair(i, j, float(self.adjusted_p[i, j]))

    def verdict(self, a: str, b: str) -> Verdict:
        """Whether `a` is better than `b`, worse, or tied with it."""
        return self.pair(a, b).verdict

    def against(self, baseline: str) -> dict[str, Pair]:
        """Every other method compared with the baseline, best mean first.

        The family is these comparisons only, chosen before looking at the table, by Holm's
        correction: it finds smaller differences than the comparison of all pairs.
        """
        j = self._position(baseline)
        others = [i for i in range(len(self.methods)) if i != j]
        adjusted = holm(self.p[others, j])
        return {
            self.methods[i]: self._pair(i, j, float(p))
            for i, p in zip(others, adjusted, strict=True)
        }

    @property
    def detectable(self) -> float:
        """The true difference that one comparison of a typical pair finds with 80% power."""
        return detectable_difference(self.prior, self.replicates)

    @property
    def detectable_in_table(self) -> float:
        """The same for a pair among all pairs of the table, the first to be found."""
        pairs = max(len(self.methods) * (len(self.methods) - 1) // 2, 1)
        return detectable_difference(self.prior, self.replicates, comparisons=pairs)

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
        """The methods with a rank range from 1: no other is better. Best mean first.

        The truly best method is one of them with at least 95% probability, since it drops out only
        by a wrong verdict.
        """
        return tuple(method for method, rank in self.ranks.items() if rank.low == 1)

    def tied_with(self, method: str) -> tuple[str, ...]:
        """The other methods that are tied with this one, best mean first."""
        signs = self._signs()[self._position(method)]
        others = zip(self.methods, signs, strict=True)
        return tuple(other for other, sign in others if sign == 0 and other != method)

    def _pair(self, i: int, j: int, adjusted_p: float) -> Pair:
        value = float(self.values[i, j])
        half = half_width(float(self.errors[i, j]), float(self.dof[i, j]))
        ends = value - half, value + half
        verdict: Verdict = "tied"
        if adjusted_p <= 1 - LEVEL:
            verdict = "better" if (value > 0) == self.higher_is_better else "worse"
        return Pair(value, *ends, float(self.p[i, j]), adjusted_p, verdict)

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


def pool_methods(scores: ArrayLike) -> Prior:
    """What a task's methods say about each other's variance: (methods, replicates).

    For `mean_interval`.
    """
    return methods_prior(np.asarray(scores, float)[None], ONE)


def pool_pairs(scores: ArrayLike) -> Prior:
    """What they say about the variances of paired differences: (methods, replicates).

    For `difference`.
    """
    return pairs_prior(np.asarray(scores, float)[None], ONE)


def task_comparisons(
    scores: Mapping[str, ArrayLike],
    *,
    higher_is_better: bool = True,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    among: Collection[str] | None = None,
) -> Comparisons:
    """Compare the methods of one task: method to scores, (replicates,) each.

    Position r holds the same replicate of every method. `among`: the methods to compare, by
    default all; variances are shared among all in either case. `bounds` is the range that a mean
    can have. Raises ValueError if methods have different numbers of replicates.
    """
    table, names = score_table(scores)
    return compare(
        table[None], ONE, names, higher_is_better=higher_is_better, bounds=bounds, among=among
    )


def compare(
    tables: Floats,
    weights: Floats,
    names: list[str],
    *,
    higher_is_better: bool,
    bounds: tuple[float, float],
    among: Collection[str] | None,
) -> Comparisons:
    """Compare methods by a weighted sum over tasks: (tasks, methods, replicates), (tasks,)."""
    prior, between = methods_prior(tables, weights), pairs_prior(tables, weights)
    single = estimates(tables, weights, prior)
    pairs = estimates(paired(tables), weights, between)
    kept = [i for i, name in enumerate(names) if among is None or name in among]
    sign = -1 if higher_is_better else 1
    kept.sort(key=lambda i: (sign * single.values[i], names[i]))
    means = {
        names[i]: interval(
            float(single.values[i]), float(single.errors[i]), float(single.dof[i]), prior, bounds
        )
        for i in kept
    }
    values, errors, dof = _square(pairs, len(names), kept)
    errors = errors * between.above
    p = p_values(values, errors, dof)
    return Comparisons(
        methods=tuple(means),
        higher_is_better=higher_is_better,
        means=means,
        values=values,
        errors=errors,
        dof=dof,
        p=p,
        adjusted_p=_adjusted(p),
        prior=between,
        replicates=tables.shape[2],
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


def _square(pairs: Estimates, count: int, kept: list[int]) -> tuple[Floats, Floats, Floats]:
    """Values, errors and degrees of all pairs as matrices of the kept methods, in their order."""
    upper = np.triu_indices(count, 1)
    matrices = []
    for of_pairs, below in zip(pairs, (-1, 1, 1), strict=True):
        matrix = np.zeros((count, count))
        matrix[upper] = of_pairs
        matrices.append((matrix + below * matrix.T)[np.ix_(kept, kept)])
    return matrices[0], matrices[1], matrices[2]


def _adjusted(p: Floats) -> Floats:
    adjusted = np.ones_like(p)
    upper = np.triu_indices(len(p), 1)
    adjusted[upper] = holm(p[upper])
    adjusted[upper[::-1]] = adjusted[upper]
    return adjusted
