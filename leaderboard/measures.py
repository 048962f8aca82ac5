"""What claims compare: one number of each replicate of a study.

Every measure is `(result, quantity, tuned) -> {replicate seed: Measured}`. `tuned` is whether the
chosen configuration is measured, on test data; None is the same on validation data, which makes it
comparable with trial 0, the defaults, of `tuned=False`: tuning trials never see test data.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from suite.results.fields import Value
from suite.results.model import Replicate, Result, Run, TaskRecord

#: the share of a study's trials that count as good ones
GOOD = 0.25
#: a sweep is read within this factor of the best value
NEAR = 10.0
#: tolerance of that factor: values of a sweep are rounded
_ROUNDING = 1 + 1e-6


class NotMeasured(Exception):
    """A result holds no such number, and why."""


class NotLookedAt(NotMeasured):
    """No diagnostic has looked at a result."""


class Measured(NamedTuple):
    """A number of one replicate."""

    value: float
    #: the target was missed: the time is at least `value`
    censored: bool = False


@dataclass(frozen=True)
class Setting:
    """Which runs of a replicate are read."""

    #: the declared defaults, trial 0, instead of the chosen configuration
    untuned: bool = False
    #: validation data, of the tuning trials, instead of test data
    validation: bool = False

    def runs(self, replicate: Replicate) -> Sequence[Run]:
        """The runs, one or several seeds of one configuration."""
        if self.untuned:
            return [replicate.tuning[0]]
        return [replicate.tuning[replicate.chosen]] if self.validation else replicate.evaluation

    def score(self, run: Run) -> float:
        """The score on the data that is read."""
        if self.untuned or self.validation or run.test_score is None:
            return run.validation_score
        return run.test_score


def score(result: Result, quantity: str, setting: Setting) -> dict[int, Measured]:
    """The mean score; a failed run has its task's worst."""
    return {
        replicate.seed: Measured(
            statistics.fmean(setting.score(run) for run in setting.runs(replicate))
        )
        for replicate in result.replicates
    }


def time_to_target(result: Result, quantity: str, setting: Setting) -> dict[int, Measured]:
    """Mean gradient evaluations until the target; a run that missed it counts with its budget."""
    budget = result.task.budget / result.task.batch_size
    found = {}
    for replicate in result.replicates:
        times = [run.time_to_target for run in setting.runs(replicate)]
        mean = statistics.fmean(budget if time is None else time for time in times)
        found[replicate.seed] = Measured(mean, censored=None in times)
    return found


def column(result: Result, quantity: str, setting: Setting) -> dict[int, Measured]:
    """The mean of a column's last value; raises NotMeasured if a run did not complete."""
    on_test = not (setting.untuned or setting.validation)
    return {
        replicate.seed: Measured(
            statistics.fmean(
                _column(result, run, quantity, on_test)[-1] for run in setting.runs(replicate)
            )
        )
        for replicate in result.replicates
    }


def _column(result: Result, run: Run, name: str, on_test: bool) -> list[float]:
    columns = run.curve.test if on_test else run.curve.validation
    who = f"{result.method.name} on {result.task.name}"
    if not run.succeeded:
        raise NotMeasured(f"a run of {who} ended as {run.status}: its curve has no end")
    if not columns.get(name):
        raise NotMeasured(f"curves of {result.task.name} have no column {name}")
    return columns[name]


def hyperparameter(result: Result, quantity: str, setting: Setting) -> dict[int, Measured]:
    """The mean of a hyperparameter over the best quarter of the trials, of its logarithm if all
    values are above 0.
    """
    found = {}
    for replicate in result.replicates:
        count = math.ceil(GOOD * len(replicate.tuning))
        good = _best_first(result.task, replicate.tuning)[:count]
        values = [number_of(run, quantity) for run in good]
        positive = all(number_of(run, quantity) > 0 for run in replicate.tuning)
        mean = statistics.geometric_mean(values) if positive else statistics.fmean(values)
        found[replicate.seed] = Measured(mean)
    return found


def sensitivity(result: Result, quantity: str, setting: Setting) -> dict[int, Measured]:
    """Mean loss of score by values of a hyperparameter within a factor of ten of the best one."""
    found = {}
    for replicate in result.replicates:
        best, *others = _best_first(result.task, _swept(replicate))
        at = number_of(best, quantity)
        near = [
            abs(run.validation_score - best.validation_score)
            for run in others
            if 1 / NEAR / _ROUNDING <= number_of(run, quantity) / at <= NEAR * _ROUNDING
        ]
        if not near:
            raise NotMeasured(f"the study of {result.method.name} has no sweep of {quantity}")
        found[replicate.seed] = Measured(statistics.fmean(near))
    return found


def coupling(result: Result, quantity: str, setting: Setting) -> dict[int, Measured]:
    """What one value of the second hyperparameter for all values of the first loses on average.

    For each value of the first: the score of the best second value for it, less that of the
    second value whose mean score over all first values is best.
    """
    outer, inner = quantity.split(", ")
    better = max if result.task.higher_is_better else min
    found = {}
    for replicate in result.replicates:
        grid: dict[float, dict[float, float]] = {}
        for run in _swept(replicate):
            row = grid.setdefault(number_of(run, outer), {})
            row[number_of(run, inner)] = run.validation_score
        columns = {frozenset(row) for row in grid.values()}
        if len(grid) < 2 or len(columns) != 1 or len(next(iter(columns))) < 2:
            raise NotMeasured(f"the study of {result.method.name} has no grid of {quantity}")
        one = better(
            statistics.fmean(row[value] for row in grid.values()) for value in next(iter(columns))
        )
        own = statistics.fmean(better(row.values()) for row in grid.values())
        found[replicate.seed] = Measured(abs(own - one))
    return found


def bound(result: Result, quantity: str, setting: Setting) -> dict[int, Measured]:
    """The largest product of a column's largest value and a hyperparameter, over a sweep of it."""
    name, factor = quantity.split(" * ")
    found = {}
    for replicate in result.replicates:
        products = [
            max(run.curve.validation[name]) * number_of(run, factor)
            for run in replicate.tuning
            if run.curve.validation.get(name)
        ]
        if not products:
            raise NotMeasured(f"curves of {result.task.name} have no column {name}")
        found[replicate.seed] = Measured(max(products))
    return found


def diagnostic(result: Result, quantity: str, setting: Setting) -> dict[int, Measured]:
    """The mean of a diagnostic's value at the end; raises NotMeasured where it was not measured."""
    method, task = result.method.name, result.task.name
    if not any(quantity in record.columns for record in result.diagnostics):
        raise NotLookedAt(
            f"no diagnostic {quantity} in the result of {method} on {task}: `suite run` adds it "
            "with --probe"
        )
    found = {}
    for replicate in result.replicates:
        ends = [run.curve.diagnostics.get(quantity, [None])[-1] for run in replicate.evaluation]
        values = [value for value in ends if value is not None]
        if len(values) < len(ends):
            raise NotMeasured(f"{quantity} has no value at the end of a run of {method} on {task}")
        found[replicate.seed] = Measured(statistics.fmean(values))
    return found


MEASURES: dict[str, Callable[[Result, str, Setting], dict[int, Measured]]] = {
    "score": score,
    "time_to_target": time_to_target,
    "column": column,
    "hyperparameter": hyperparameter,
    "sensitivity": sensitivity,
    "coupling": coupling,
    "bound": bound,
    "diagnostic": diagnostic,
}


def _best_first(task: TaskRecord, runs: Sequence[Run]) -> list[Run]:
    """Trials by validation score; among equals the earliest is first."""
    return sorted(runs, key=lambda run: run.validation_score, reverse=task.higher_is_better)


def _swept(replicate: Replicate) -> list[Run]:
    """The trials of a sweep: all but the first, which has the defaults."""
    return replicate.tuning[1:]


def number_of(run: Run, name: str) -> float:
    """A hyperparameter of a trial, of whichever component has it; "a|b" is either."""
    names = name.split("|")
    values: list[Value] = [
        value
        for component in run.hyperparameters.values()
        for key, value in component.items()
        if key in names
    ]
    if len(values) != 1 or isinstance(values[0], (bool, str)):
        raise NotMeasured(f"{len(values)} hyperparameters that are numbers are called {name}")
    return float(values[0])
