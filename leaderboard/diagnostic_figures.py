"""Small figures of diagnostics along the budget, one for each column.

On a task they have a line for each method, on a method one for each task.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.diagnostics import Diagnosed, units_of
from leaderboard.drawing import HIGHLIGHTED, Axis, Drawing, Group, Shape, Sketch, focused
from leaderboard.selection import method_of
from suite.results.model import Result, Run, TaskRecord

#: positions (points,) as shares of the budget, and means over runs (points,)
Line = tuple[list[float], list[float]]
_BUDGET = Axis(0.0, 1.0, "share of the budget", marks=((0.0, "0"), (0.5, "half"), (1.0, "all")))
_HEIGHT, _LEFT, _WIDTH = 175.0, 46.0, 250.0
#: points of a line of training losses
_POINTS = 24
#: letters of all figures of a page: the whole page stays below 500 kB
_MAX_LETTERS = 280_000


@dataclass(frozen=True)
class Panels:
    """Figures of the same lines, whose colours are said once."""

    drawings: list[Drawing]
    #: the lines that have a colour, with its number
    legend: list[tuple[str, int]]
    #: how many lines are grey
    others: int
    #: columns that no page has room for
    left_out: int


def of_task(each: Diagnosed) -> Panels:
    """Each diagnostic on a task: a line for each method, the best in colour, the others grey."""
    names = [method_of(result) for result in each.results]
    panels = [
        (column, unit, _lines(zip(names, each.results, strict=True), column))
        for column, unit in each.units.items()
    ]
    return _panels(each.protocol.name, names, panels)


def of_method(method: str, diagnosed: Sequence[Diagnosed]) -> Panels:
    """The training loss of a method and each diagnostic beside it: a line for each task."""
    results = [
        (each.task.name, result)
        for each in diagnosed
        for result in each.results
        if method_of(result) == method
    ]
    losses = {task: line for task, result in results if (line := _losses(result))[0]}
    panels = [("train_loss", "of one run, mean over the batches since the last point", losses)]
    panels += [
        (column, unit, _lines(results, column))
        for column, unit in units_of(result for _, result in results).items()
    ]
    return _panels("m", [task for task, _ in results], panels if panels[1:] else [])


def table(each: Diagnosed) -> list[tuple[object, ...]]:
    """The numbers behind the figures of a task; the first row is the header."""
    rows: list[tuple[object, ...]] = [("column", "unit", "method", "share_of_budget", "mean")]
    for column, unit in each.units.items():
        lines = _lines(((method_of(r), r) for r in each.results), column)
        for method, line in lines.items():
            rows += [(column, unit, method, *pair) for pair in zip(*line, strict=True)]
    return rows


def along_budget(result: Result, column: str) -> Line:
    """The mean over evaluation runs at the first evaluation looked at, at the second, and so on.

    Runs that ended early, as their score was settled, were looked at earlier: positions are means,
    too. A run without a value there does not count.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    for run in result.evaluation_runs:
        shares, values = _shares(run, result.task), run.curve.diagnostics.get(column, [])
        for number, at in enumerate(_looked_at(run) if values else ()):
            value = values[at]
            if value is not None:
                found.setdefault(number, []).append((shares[at], value))
    points = [found[number] for number in sorted(found)]
    return (
        [statistics.fmean(at for at, _ in point) for point in points],
        [statistics.fmean(value for _, value in point) for point in points],
    )


def _looked_at(run: Run) -> list[int]:
    """The evaluations at which any diagnostic has a value."""
    columns = run.curve.diagnostics.values()
    return sorted({at for values in columns for at, v in enumerate(values) if v is not None})


def _shares(run: Run, task: TaskRecord) -> list[float]:
    """The evaluations of a run as shares of the budget."""
    return [at / (task.budget / task.batch_size) for at in run.curve.gradient_evaluations]


def _lines(results: Iterable[tuple[str, Result]], column: str) -> dict[str, Line]:
    found = {name: along_budget(result, column) for name, result in results}
    return {name: line for name, line in found.items() if line[0]}


def _losses(result: Result) -> Line:
    """The training loss of the first evaluation run, thinned."""
    run = result.evaluation_runs[0]
    found = zip(_shares(run, result.task), run.curve.train_loss, strict=False)
    known = [(at, loss) for at, loss in found if loss is not None]
    kept = np.unique(np.linspace(0, len(known) - 1, _POINTS).round().astype(int)) if known else ()
    return [known[i][0] for i in kept], [known[i][1] for i in kept]


def _panels(
    name: str, names: Sequence[str], panels: Iterable[tuple[str, str, dict[str, Line]]]
) -> Panels:
    """The figures of columns with their units and lines, which have the order of `names`."""
    series = {one: number for number, one in enumerate(dict.fromkeys(names))}
    drawings: list[Drawing] = []
    left_out = letters = 0
    for number, (column, unit, lines) in enumerate(panels):
        if not lines:
            continue
        # A short name: it is in every line of the figure.
        drawing = _small(f"diagnostic-{number}-{name}", column, unit, lines, series)
        letters += len(drawing.svg)
        if letters > _MAX_LETTERS:
            left_out += 1
        else:
            drawings.append(drawing)
    legend = [(one, number) for one, number in series.items() if number < HIGHLIGHTED]
    return Panels(drawings, legend, max(0, len(series) - HIGHLIGHTED), left_out)


def _small(
    name: str, column: str, unit: str, lines: dict[str, Line], series: dict[str, int]
) -> Drawing:
    coloured = [one for one in lines if series[one] < HIGHLIGHTED]
    shown = [np.array(lines[one][1]) for one in coloured or lines]
    sketch = Sketch(_BUDGET, focused(shown, "", trim=0), _HEIGHT, _LEFT, _WIDTH)
    gap = np.full((1, 2), math.nan)
    grey = [sketch.place(*map(np.array, lines[one])) for one in lines if one not in coloured]
    if grey:  # one path for all: a page has a figure for each of many columns
        path = np.vstack([part for line in grey for part in (line, gap)])
        sketch.add(Group((Shape(path, "grey", 0.7),)))
    for one in coloured:
        at, found = (np.array(part) for part in lines[one])
        sketch.line(one, series[one], at, found, dotted=len(at) == 1)
    ends = "; ".join(f"{one} ends at {lines[one][1][-1]:.4g}" for one in coloured)
    return sketch.finish(name, column.replace("_", " "), f"{unit}: {ends}.", unit, [])
