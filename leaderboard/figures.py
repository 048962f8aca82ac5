"""The figures of the site."""

from __future__ import annotations

import math
from collections.abc import Iterable

import matplotlib as mpl
import numpy as np

from leaderboard.drawing import (
    GRID,
    HIGHLIGHTED,
    INK,
    MUTED,
    SERIES,
    Drawing,
    draw_line,
    focus,
    make_canvas,
    to_svg,
)
from leaderboard.filters import share_of_runs
from leaderboard.standings import Entry, TaskStanding
from leaderboard.statistics import Floats, expected_best, performance_profile
from leaderboard.tracks import TrackStanding
from suite.results.model import Run

_POINTS = 60
_GREYS = 40
_RATIOS = np.geomspace(1, 20, 80)


def learning_curves(standing: TaskStanding) -> Drawing:
    """The metric on test data against cost: mean over seeds, band from worst to best seed."""
    task = standing.task
    name = f"curves-{task.name}-{standing.protocol.name}"
    shown = standing.ranked[:HIGHLIGHTED]
    canvas, axes = make_canvas()
    rest = standing.ranked[HIGHLIGHTED : HIGHLIGHTED + _GREYS]
    for entry in reversed(rest):
        at, values = _aligned(entry.evaluation, task.metric)
        if len(at):
            axes.plot(at, _mean(values), color=GRID, linewidth=0.8, zorder=1)
    seen: list[Floats] = []
    for i, entry in enumerate(shown):
        at, values = _aligned(entry.evaluation, task.metric)
        if not len(at):
            continue
        seen.append(values)
        axes.fill_between(
            at, np.nanmin(values, 0), np.nanmax(values, 0), color=SERIES[i], alpha=0.15, lw=0
        )
        draw_line(axes, at, _mean(values), i)
    focus(axes, seen)
    low, high = axes.get_ylim()
    if low <= task.target <= high:
        axes.axhline(task.target, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate(
            "target", (0, task.target), (2, 2), textcoords="offset points", color=MUTED,
            xycoords=("axes fraction", "data"), fontsize=8.5,
        )  # fmt: skip
    axes.set_xlabel("gradient evaluations")
    axes.set_ylabel(f"test {task.metric}")
    caption = (
        f"Learning curves on test data: mean over seeds, band from the worst to the best seed. "
        f"{_shortfall(shown)}{_crowd(len(standing.ranked), len(shown), len(rest))}"
    )
    title = f"Learning curves on {task.name}, protocol {standing.protocol.name}"
    facts = "; ".join(
        f"{entry.method} ends at {entry.metric:.4g}" + _over(entry)
        for entry in shown
        if entry.metric is not None
    )
    legend = [(entry.method, i) for i, entry in enumerate(shown)]
    return Drawing(to_svg(canvas, name, title, f"Test {task.metric}: {facts}."), caption, legend)


def tuning_curves(standing: TaskStanding) -> Drawing:
    """The expected best validation score of k trials, k = 1 to n."""
    task = standing.task
    name = f"tuning-{task.name}-{standing.protocol.name}"
    shown = standing.ranked[:HIGHLIGHTED]
    canvas, axes = make_canvas()
    curves = [_best_of(entry, task.higher_is_better) for entry in standing.ranked]
    for curve in reversed(curves[HIGHLIGHTED : HIGHLIGHTED + _GREYS]):
        axes.plot(np.arange(1, len(curve) + 1), curve, color=GRID, linewidth=0.8, zorder=1)
    for i, curve in enumerate(curves[:HIGHLIGHTED]):
        draw_line(axes, np.arange(1.0, len(curve) + 1), curve, i, marker="o", markersize=2.5)
    focus(axes, curves[:HIGHLIGHTED], trim=0)
    axes.set_xlabel("tuning trials k")
    axes.set_ylabel("validation score")
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    better = "higher" if task.higher_is_better else "lower"
    caption = (
        f"Best of k tuning trials, expected over which k of the trials are drawn ({better} is "
        f"better). A flat line is a method that needs little tuning."
    )
    facts = "; ".join(
        f"{entry.method} from {curve[0]:.4g} to {curve[-1]:.4g}"
        for entry, curve in zip(shown, curves, strict=False)
    )
    title = f"Expected best of k tuning trials on {task.name}, protocol {standing.protocol.name}"
    legend = [(entry.method, i) for i, entry in enumerate(shown)]
    return Drawing(to_svg(canvas, name, title, f"From one trial to all: {facts}."), caption, legend)


def track_intervals(track: TrackStanding, most: int = 25) -> Drawing | None:
    """The headline of each complete method with its interval; None if there is none."""
    shown = track.complete[:most]
    if not shown:
        return None
    canvas, axes = make_canvas(
        height=0.75 + 0.24 * max(len(shown), 3),
        left=0.25 + 0.075 * max(len(_short(entry.method)) for entry in shown),
    )
    for row, entry in enumerate(shown):
        color = SERIES[0] if entry.rank == 1 else INK
        axes.plot(
            [entry.headline.low, entry.headline.high],
            [row, row],
            color=color,
            linewidth=2,
            alpha=0.5,
        )
        axes.plot([entry.headline.value], [row], "o", color=color, markersize=4.5)
    for end in (0.0, 1.0):
        axes.axvline(end, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    axes.set_yticks(range(len(shown)), [_short(entry.method) for entry in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("scaled score (0 untuned SGD, 1 tuned AdamW)")
    more = len(track.complete) - len(shown)
    caption = "Mean over families of the mean over their core tasks, with its interval." + (
        f" The best {len(shown)}; {more} more are in the table." if more else ""
    )
    facts = "; ".join(
        f"{e.method} {e.headline.value:.3f} ({e.headline.low:.3f} to {e.headline.high:.3f})"
        for e in shown
    )
    name = f"track-{track.track}-{track.protocol.name}"
    title = f"Scaled score over the track {track.track}, protocol {track.protocol.name}"
    return Drawing(to_svg(canvas, name, title, f"Scores: {facts}."), caption, [])


def time_profile(track: TrackStanding) -> Drawing | None:
    """Performance profile of time-to-target over the tasks that every complete method ran.

    Streams have no such time and are left out. None if no run reached a target.
    """
    tasks = [standing for standing in (*track.tasks, *track.raw) if not standing.stream]
    by_task = [{entry.method: entry for entry in standing.ranked} for standing in tasks]
    methods = [entry.method for entry in track.complete]
    by_task = [found for found in by_task if all(method in found for method in methods)]
    if not methods or not by_task:
        return None
    times = [[found[method].times_to_target for method in methods] for found in by_task]
    shares = performance_profile(times, _RATIOS)
    if not shares.any():
        return None
    order = sorted(range(len(methods)), key=lambda i: (-shares[i].mean(), methods[i]))
    canvas, axes = make_canvas()
    for i in reversed(order[HIGHLIGHTED : HIGHLIGHTED + _GREYS]):
        axes.plot(_RATIOS, shares[i], color=GRID, linewidth=0.8, drawstyle="steps-post", zorder=1)
    shown = order[:HIGHLIGHTED]
    for series, i in enumerate(shown):
        draw_line(axes, _RATIOS, shares[i], series, drawstyle="steps-post")
    axes.set_xscale("log")
    marks = [1, 2, 5, 10, 20]
    axes.set_xticks(marks, [f"{mark}\N{MULTIPLICATION SIGN}" for mark in marks])
    axes.minorticks_off()
    axes.set_xlim(1, 20)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("time to target, relative to the fastest method")
    axes.set_ylabel("share of runs")
    caption = (
        f"Performance profile of time-to-target over {len(by_task)} tasks: the share of runs that "
        f"reach the target within a multiple of the fastest method's gradient evaluations."
    )
    at = int(np.searchsorted(_RATIOS, 2))
    facts = "; ".join(f"{methods[i]} {shares[i][at]:.0%}" for i in shown)
    name = f"profile-{track.track}-{track.protocol.name}"
    title = f"Performance profile of time-to-target, track {track.track}"
    legend = [(methods[i], series) for series, i in enumerate(shown)]
    svg = to_svg(canvas, name, title, f"Share of runs within twice the fastest time: {facts}.")
    return Drawing(svg, caption, legend)


def _aligned(runs: Iterable[Run], metric: str) -> tuple[Floats, Floats]:
    """Test curves on one grid: positions (points,), values (runs, points), missing after an end.

    A completed run that ended early, because its score was settled, keeps its last value.
    """
    curves = [run for run in runs if run.curve.test.get(metric)]
    if not curves:
        return np.empty(0), np.empty((0, 0))
    at = np.unique(np.concatenate([run.curve.gradient_evaluations for run in curves]))
    if len(at) > _POINTS:
        at = at[np.unique(np.linspace(0, len(at) - 1, _POINTS).round().astype(int))]
    values = []
    for run in curves:
        known = run.curve.gradient_evaluations
        right = None if run.status == "completed" else math.nan
        values.append(np.interp(at, known, run.curve.test[metric], right=right))
    table = np.array(values)
    alive = ~np.isnan(table).all(axis=0)
    return at[alive], table[:, alive]


def _mean(values: Floats) -> Floats:
    return np.asarray(np.nanmean(values, axis=0))


def _best_of(entry: Entry, higher_is_better: bool) -> Floats:
    curves = [
        expected_best([run.validation_score for run in r.tuning], higher_is_better=higher_is_better)
        for r in entry.result.replicates
    ]
    return np.asarray(np.mean(curves, axis=0))


def _shortfall(entries: Iterable[Entry]) -> str:
    """Methods with lines that end over fewer runs than exist: a failed run is missing from then."""
    short = [entry for entry in entries if entry.metric_runs < entry.runs]
    if not short:
        return ""
    listed = ", ".join(f"{entry.method} {share_of_runs(entry)}" for entry in short)
    return f"A run that did not complete is missing from where it ended; at the end: {listed}. "


def _over(entry: Entry) -> str:
    return f" {share_of_runs(entry)}" if entry.metric_runs < entry.runs else ""


def _crowd(total: int, shown: int, grey: int) -> str:
    if total == shown:
        return ""
    left = total - shown - grey
    more = f"; {left} more are in the table" if left else ""
    return f"The best {shown} in colour, the next {grey} in grey{more}."


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
