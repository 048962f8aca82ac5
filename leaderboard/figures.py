"""Figures: seaborn drawings as SVG text that goes into a page.

Text stays text, ids and bytes repeat from build to build, and every colour is a CSS variable of
the page, so that one drawing serves the dark and the light theme. The legend is HTML: it wraps on
a phone and links to the methods. Figures are drawn small, because a phone shows them at that size.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from leaderboard.standings import Entry, TaskStanding
from leaderboard.statistics import Floats, expected_best, performance_profile
from leaderboard.tracks import TrackStanding
from suite.result import Run

HIGHLIGHTED = 8
#: stand-ins that matplotlib draws with, replaced by the page's variables
_INK, _MUTED, _GRID = "#010101", "#020202", "#030303"
_SERIES = tuple(f"#0401{i:02d}" for i in range(HIGHLIGHTED))
_VARIABLES = {_INK: "currentColor", _MUTED: "var(--muted)", _GRID: "var(--line)"} | {
    color: f"var(--series-{i})" for i, color in enumerate(_SERIES)
}
_DASHES = ("-", "-", "-", "-", (0, (4, 1.5)), (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (1.2, 1.2)))
_STYLE = {
    "svg.fonttype": "none",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.transparent": True,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _GRID,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "axes.linewidth": 0.8,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
_POINTS = 60
_PHONE_INCHES = 5.0
_GREYS = 40
_RATIOS = np.geomspace(1, 20, 80)


@dataclass(frozen=True)
class Drawing:
    """A figure for a page: inline SVG, its caption and the legend's (method, series number)."""

    svg: Markup
    caption: str
    legend: list[tuple[str, int]]


def learning_curves(standing: TaskStanding) -> Drawing:
    """The metric on test data against cost: mean over seeds, band from worst to best seed."""
    task = standing.task
    name = f"curves-{task.name}-{standing.protocol.name}"
    shown = standing.ranked[:HIGHLIGHTED]
    canvas, axes = _canvas()
    rest = standing.ranked[HIGHLIGHTED : HIGHLIGHTED + _GREYS]
    for entry in reversed(rest):
        at, values = _aligned(entry.result.evaluation, task.metric)
        if len(at):
            axes.plot(at, _mean(values), color=_GRID, linewidth=0.8, zorder=1)
    seen: list[Floats] = []
    for i, entry in enumerate(shown):
        at, values = _aligned(entry.result.evaluation, task.metric)
        if not len(at):
            continue
        seen.append(values)
        axes.fill_between(
            at, np.nanmin(values, 0), np.nanmax(values, 0), color=_SERIES[i], alpha=0.15, lw=0
        )
        _line(axes, at, _mean(values), i)
    _focus(axes, seen)
    low, high = axes.get_ylim()
    if low <= task.target <= high:
        axes.axhline(task.target, color=_MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate(
            "target", (0, task.target), (2, 2), textcoords="offset points", color=_MUTED,
            xycoords=("axes fraction", "data"), fontsize=8.5,
        )  # fmt: skip
    axes.set_xlabel("gradient evaluations")
    axes.set_ylabel(f"test {task.metric}")
    caption = (
        f"Learning curves on test data: mean over seeds, band from the worst to the best seed. "
        f"{_crowd(len(standing.ranked), len(shown), len(rest))}"
    )
    title = f"Learning curves on {task.name}, protocol {standing.protocol.name}"
    facts = "; ".join(
        f"{entry.method} ends at {entry.metric:.4g}" for entry in shown if entry.metric is not None
    )
    legend = [(entry.method, i) for i, entry in enumerate(shown)]
    return Drawing(_svg(canvas, name, title, f"Test {task.metric}: {facts}."), caption, legend)


def tuning_curves(standing: TaskStanding) -> Drawing:
    """The expected best validation score of k trials, k = 1 to n."""
    task = standing.task
    name = f"tuning-{task.name}-{standing.protocol.name}"
    shown = standing.ranked[:HIGHLIGHTED]
    canvas, axes = _canvas()
    curves = [_best_of(entry, task.higher_is_better) for entry in standing.ranked]
    for curve in reversed(curves[HIGHLIGHTED : HIGHLIGHTED + _GREYS]):
        axes.plot(np.arange(1, len(curve) + 1), curve, color=_GRID, linewidth=0.8, zorder=1)
    for i, curve in enumerate(curves[:HIGHLIGHTED]):
        _line(axes, np.arange(1, len(curve) + 1), curve, i, marker="o", markersize=2.5)
    _focus(axes, curves[:HIGHLIGHTED], trim=0)
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
    return Drawing(_svg(canvas, name, title, f"From one trial to all: {facts}."), caption, legend)


def track_intervals(track: TrackStanding, most: int = 25) -> Drawing | None:
    """The interquartile mean of each complete method with its interval; None if there is none."""
    shown = track.complete[:most]
    if not shown:
        return None
    canvas, axes = _canvas(
        height=0.75 + 0.24 * max(len(shown), 3),
        left=0.25 + 0.075 * max(len(_short(entry.method)) for entry in shown),
    )
    for row, entry in enumerate(shown):
        color = _SERIES[0] if entry.rank == 1 else _INK
        axes.plot([entry.iqm.low, entry.iqm.high], [row, row], color=color, linewidth=2, alpha=0.5)
        axes.plot([entry.iqm.value], [row], "o", color=color, markersize=4.5)
    for end in (0.0, 1.0):
        axes.axvline(end, color=_MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    axes.set_yticks(range(len(shown)), [_short(entry.method) for entry in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("scaled score (0 untuned, 1 tuned AdamW)")
    more = len(track.complete) - len(shown)
    caption = "Interquartile mean over all runs of the track with its 95% interval." + (
        f" The best {len(shown)}; {more} more are in the table." if more else ""
    )
    facts = "; ".join(
        f"{e.method} {e.iqm.value:.3f} ({e.iqm.low:.3f} to {e.iqm.high:.3f})" for e in shown
    )
    name = f"track-{track.track}-{track.protocol.name}"
    title = f"Scaled score over the track {track.track}, protocol {track.protocol.name}"
    return Drawing(_svg(canvas, name, title, f"Interquartile means: {facts}."), caption, [])


def time_profile(track: TrackStanding) -> Drawing | None:
    """Performance profile of time-to-target over the tasks that every complete method ran.

    None if no run reached a target.
    """
    tasks = [*track.tasks, *track.raw]
    by_task = [{entry.method: entry for entry in standing.ranked} for standing in tasks]
    methods = [entry.method for entry in track.complete]
    if not methods:
        return None
    by_task = [found for found in by_task if all(method in found for method in methods)]
    times = [[found[method].times_to_target for method in methods] for found in by_task]
    shares = performance_profile(times, _RATIOS)
    if not shares.any():
        return None
    order = sorted(range(len(methods)), key=lambda i: (-shares[i].mean(), methods[i]))
    canvas, axes = _canvas()
    for i in reversed(order[HIGHLIGHTED : HIGHLIGHTED + _GREYS]):
        axes.plot(_RATIOS, shares[i], color=_GRID, linewidth=0.8, drawstyle="steps-post", zorder=1)
    shown = order[:HIGHLIGHTED]
    for series, i in enumerate(shown):
        _line(axes, _RATIOS, shares[i], series, drawstyle="steps-post")
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
    svg = _svg(canvas, name, title, f"Share of runs within twice the fastest time: {facts}.")
    return Drawing(svg, caption, legend)


def _canvas(height: float = 3.1, left: float = 0.62) -> tuple[Canvas, Axes]:
    with mpl.rc_context({**sns.axes_style("whitegrid"), **_STYLE}):
        canvas = Canvas(figsize=(_PHONE_INCHES, height))
        # Fixed margins: measuring the labels would draw every figure twice.
        sides = {"left": left / _PHONE_INCHES, "right": 0.975}
        canvas.subplots_adjust(**sides, bottom=0.46 / height, top=1 - 0.1 / height)
        axes = canvas.add_subplot()
        sns.despine(ax=axes, left=True, bottom=True)
    return canvas, axes


def _line(axes: Axes, at: Floats, values: Floats, series: int, **style: Any) -> None:
    axes.plot(
        at, values, color=_SERIES[series], linestyle=_DASHES[series],
        linewidth=1.7, zorder=20 - series, **style,
    )  # fmt: skip


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
    scores = [run.validation_score for run in entry.result.tuning]
    return expected_best(scores, higher_is_better=higher_is_better)


def _focus(axes: Axes, curves: Sequence[Floats], trim: float = 1) -> None:
    """Limit the view to what the highlighted methods do, without `trim` percent on each side."""
    if not curves:
        return
    values = np.concatenate([curve[~np.isnan(curve)].ravel() for curve in curves])
    low, high = np.percentile(values, [trim, 100 - trim])
    margin = 0.06 * (high - low) or 0.05 * (abs(high) or 1.0)
    axes.set_ylim(low - margin, high + margin)


def _crowd(total: int, shown: int, grey: int) -> str:
    if total == shown:
        return ""
    left = total - shown - grey
    more = f"; {left} more are in the table" if left else ""
    return f"The best {shown} in colour, the next {grey} in grey{more}."


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _svg(canvas: Canvas, name: str, title: str, description: str) -> Markup:
    """The drawing as an inline SVG element with a text alternative."""
    buffer = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    opening, _, body = text.partition(">")
    box = re.search(r'viewBox="([^"]*)"', opening)
    assert box is not None, "matplotlib writes a viewBox"
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<style.*?</style>\s*", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r" font-family: [^;]*;", "", body)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"\n\s*", "\n", body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, variable)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{box[1]}" role="img" aria-labelledby="{escape(name)}-t {escape(name)}-d">'
        f'<title id="{escape(name)}-t">{escape(title)}</title>'
        f'<desc id="{escape(name)}-d">{escape(description)}</desc>'
    )
    return Markup(head + body)
