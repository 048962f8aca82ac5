"""Figures for notebooks and papers: `suite.plot`. Each function returns matplotlib axes.

With `ax`, they draw there; otherwise on a figure of their own. What they show is on the board, as
in `suite.standings`: curves are thin, with at most `leaderboard.index.POINTS` points a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.board import find_board
from leaderboard.diagnostic_figures import along_budget
from leaderboard.standings import Entry, TaskStanding
from leaderboard.statistics import performance_profile
from suite.errors import UsageError, unknown_name
from suite.results.model import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: what matplotlib writes without other programs
FIGURE_ENDINGS = (".png", ".svg", ".pdf")
#: methods that are shown where none are named
_MOST = 6
_ROWS = 25
_RATIOS = np.geomspace(1, 20, 80)


def curves(
    task: str,
    methods: Sequence[str] = (),
    *,
    protocol: str | None = None,
    results: str | Path = "results",
    published: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Learning curves on test data, one line per run; of the best methods, if none are named.

    Raises UsageError if there are no results, or none of a method.
    """
    standing = _task(task, protocol, results, published)
    return _draw_curves(standing, methods or _best(standing), _axes(ax))


def _draw_curves(standing: TaskStanding, methods: Sequence[str], axes: Axes) -> Axes:
    task = standing.task
    for number, entry in enumerate(_entries(standing, methods)):
        label: str | None = entry.method
        for run in entry.evaluation:
            values = run.curve.test.get(task.metric)
            if values:
                axes.plot(
                    run.curve.gradient_evaluations, values, f"C{number % 10}", lw=1, label=label
                )
                label = None
    axes.axhline(task.target, color="gray", linestyle=":", label="target")
    axes.legend()
    axes.set(
        title=f"{task.name}, protocol {standing.protocol.name}: one line per evaluation run",
        xlabel="gradient evaluations",
        ylabel=f"test {task.metric}",
    )
    return axes


def intervals(
    task: str | None = None,
    *,
    track: str = "mini",
    protocol: str | None = None,
    results: str | Path = "results",
    published: bool | None = None,
    most: int = _ROWS,
    ax: Axes | None = None,
) -> Axes:
    """Scores with intervals, best first: headlines of a track, or scores on a task.

    Scaled, if the task has a reference. Raises UsageError if there are no results.
    """
    if task is None:
        board = find_board(results, published)
        over = board.track(track, protocol)
        if over is None:
            raise UsageError(f"{results} holds no results on the track {track}.")
        shown = [(entry.method, entry.headline) for entry in over.complete[:most]]
        title, scaled = f"track {track}, protocol {over.protocol.name}", True
    else:
        standing = _task(task, protocol, results, published)
        scaled = standing.reference is not None
        shown = [(e.method, e.scaled or e.raw) for e in standing.ranked[:most]]
        title = f"{task}, protocol {standing.protocol.name}"
    axes = _axes(ax)
    for row, (_, found) in enumerate(shown):
        ends = [found.low, found.high]
        if np.isfinite(ends).all():
            axes.plot(ends, [row, row], color="C0", linewidth=2, alpha=0.5)
        axes.plot([found.value], [row], "o", color="C0", markersize=4.5)
    if scaled:
        for end in (0.0, 1.0):
            axes.axvline(end, color="gray", linestyle=":", zorder=0)
    axes.set_yticks(range(len(shown)), [method for method, _ in shown])
    axes.invert_yaxis()
    axes.set(title=title, xlabel=_SCALED if scaled else "test score")
    return axes


_SCALED = "scaled score (0 untuned SGD, 1 tuned AdamW)"


def profile(
    methods: Sequence[str] = (),
    *,
    track: str = "mini",
    protocol: str | None = None,
    results: str | Path = "results",
    published: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Performance profile of the time to target: share of runs within a multiple of the fastest.

    Over the core tasks without streams that all shown methods ran; of the best methods, if none
    are named. Raises UsageError if there are none.
    """
    over = find_board(results, published).track(track, protocol)
    if over is None:
        raise UsageError(f"{results} holds no results on the track {track}.")
    found = {entry.method: entry.entries for entry in over.entries}
    for method in methods:
        if method not in found:
            raise unknown_name(f"method on the track {track}", method, found)
    shown = list(methods) or [entry.method for entry in over.complete[:_MOST]]
    names = [standing.task.name for standing in over.tasks if not standing.stream]
    names = [name for name in names if all(name in found[method] for method in shown)]
    if not shown or not names:
        raise UsageError(f"no task of the track {track} with a time to target was run by all.")
    times = [[found[method][name].times_to_target for method in shown] for name in names]
    shares = performance_profile(times, _RATIOS)
    axes = _axes(ax)
    for method, share in zip(shown, shares, strict=True):
        axes.plot(_RATIOS, share, drawstyle="steps-post", label=method)
    axes.set_xscale("log")
    axes.legend()
    axes.set(
        title=f"{len(names)} tasks, protocol {over.protocol.name}",
        xlabel="time to target, relative to the fastest method",
        ylabel="share of runs",
        ylim=(-0.02, 1.02),
    )
    return axes


def sensitivity(
    method: str,
    task: str,
    *,
    protocol: str | None = None,
    results: str | Path = "results",
    published: bool | None = None,
    ax: Any = None,
) -> list[Axes]:
    """Scaled validation score of every tuning trial against each hyperparameter, one axes each.

    `ax`: as many axes as the method has hyperparameters. Raises UsageError if there are no
    results, or no scale on the task.
    """
    standing = _task(task, protocol, results, published)
    (entry,) = _entries(standing, [method])
    effects = entry.tuning.effects
    if not effects:
        raise UsageError(f"{method} on {task}: no hyperparameters, or no scale on the task.")
    if ax is None:
        import matplotlib.pyplot as plt

        size = (3.2 * len(effects), 3.0)
        _, ax = plt.subplots(1, len(effects), figsize=size, sharey=True, layout="constrained")
    drawn: list[Axes] = list(np.ravel(ax))
    if len(drawn) != len(effects):
        raise UsageError(f"{method} has {len(effects)} hyperparameters, ax {len(drawn)} axes.")
    for axes, effect in zip(drawn, effects, strict=True):
        choice = effect.space.kind == "choice"
        values = [str(value) for value in effect.values] if choice else effect.values
        axes.plot(values, effect.scores, "o", alpha=0.7)
        if effect.space.kind == "log_uniform":
            axes.set_xscale("log")
        axes.set_xlabel(f"{effect.component}.{effect.name}")
    drawn[0].set_ylabel("scaled validation score")
    return drawn


def check_figure(path: Path) -> None:
    """Raise UsageError if no format has the file's ending: before the work, not after it."""
    if path.suffix.lower() not in FIGURE_ENDINGS:
        endings = ", ".join(FIGURE_ENDINGS)
        raise UsageError(f"--figure {path}: the file's name must end in one of {endings}.")


def save_curves(standing: TaskStanding, methods: Sequence[str], path: Path) -> None:
    """Write the learning curves of methods to a file; raises UsageError as `check_figure`."""
    check_figure(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.3), layout="constrained")
    _draw_curves(standing, methods, figure.subplots())
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, format=path.suffix[1:].lower())


def save_diagnostics(results: Mapping[str, Result], columns: Mapping[str, str], path: Path) -> None:
    """Write a small figure for each column, a line for each method, to a file.

    `columns` are names and units. Raises UsageError as `check_figure`.
    """
    check_figure(path)
    from matplotlib.figure import Figure

    across = min(3, len(columns))
    down = -(-len(columns) // across)
    figure = Figure(figsize=(max(4.5, 3.2 * across), 2.6 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (column, unit) in zip(grid, columns.items(), strict=False):
        for number, (method, result) in enumerate(results.items()):
            at, means = along_budget(result, column)
            axes.plot(at, means, f"C{number % 10}", marker=".", label=method)
        axes.set(xlabel="share of the budget", ylabel=unit)
        axes.set_title(column.replace("_", " "), fontsize="medium")
    for axes in grid[len(columns) :]:
        axes.axis("off")
    grid[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, format=path.suffix[1:].lower())


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(7, 4.3), layout="constrained")
    return axes


def _task(
    task: str, protocol: str | None, results: str | Path, published: bool | None
) -> TaskStanding:
    standing = find_board(results, published, [task]).task(task, protocol)
    if standing is None:
        under = "" if protocol is None else f" under the protocol {protocol}"
        raise UsageError(f"{results} holds no results on the task {task}{under}.")
    return standing


def _best(standing: TaskStanding) -> list[str]:
    return list(dict.fromkeys(entry.method for entry in standing.entries))[:_MOST]


def _entries(standing: TaskStanding, methods: Sequence[str]) -> list[Entry]:
    """The entry of each method; for one with several result seeds, the ranked one."""
    found: dict[str, Entry] = {}
    for entry in standing.entries:
        found.setdefault(entry.method, entry)
    for method in methods:
        if method not in found:
            raise unknown_name(f"method with results on {standing.task.name}", method, found)
    return [found[method] for method in dict.fromkeys(methods)]
