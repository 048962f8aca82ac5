"""The figures of the site: what is drawn, and what each says in words and in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from leaderboard.drawing import (
    HIGHLIGHTED,
    Axis,
    Drawing,
    Floats,
    Group,
    Shape,
    Sketch,
    Words,
    focused,
    text_width,
)
from leaderboard.filters import share_of_runs
from leaderboard.standings import Entry, TaskStanding
from leaderboard.statistics import CLIP, expected_best, performance_profile
from leaderboard.tracks import TrackStanding
from leaderboard.tuning import Effect
from suite.results.model import Run

#: points of a line with a colour, and of a grey one
_POINTS, _GREY_POINTS = 60, 24
_RATIOS = np.geomspace(1, 20, 80)
_MOST_ROWS = 25
_TIMES = "\N{MULTIPLICATION SIGN}"


def learning_curves(standing: TaskStanding) -> Drawing:
    """The metric on test data against cost: mean over runs, band from the worst to the best run."""
    task = standing.task
    found = [_aligned(entry.evaluation, task.metric) for entry in standing.ranked]
    shown = [values for _, values in found[:HIGHLIGHTED] if values.size]
    ends = [at[-1] for at, _ in found if len(at)]
    x = Axis(0.0, max(ends, default=1.0) or 1.0, "gradient evaluations")
    sketch = Sketch(x, focused(shown, f"test {task.metric}"))
    header = ("method", "gradient_evaluations", "mean", "worst", "best", "runs")
    table: list[tuple[object, ...]] = [header]
    for i, (entry, (at, values)) in enumerate(zip(standing.ranked, found, strict=True)):
        if not len(at):
            continue
        low, mean, high = np.nanmin(values, 0), _mean(values), np.nanmax(values, 0)
        if i < HIGHLIGHTED:
            sketch.line(entry.method, i, at, mean, band=(low, high))
        else:
            few = _thinned(len(at), _GREY_POINTS)
            sketch.line(entry.method, None, at[few], mean[few])
        worst, best = (low, high) if task.higher_is_better else (high, low)
        running = (~np.isnan(values)).sum(axis=0)
        columns = zip(*(c.tolist() for c in (at, mean, worst, best, running)), strict=True)
        table += [(entry.method, *row) for row in columns]
    if sketch.y.low <= task.target <= sketch.y.high:
        sketch.rule(y=task.target, text="target")
    caption = (
        "Learning curves on test data: mean over the evaluation runs of all replicates, band from "
        f"the worst to the best run. {_shortfall(standing.ranked[:HIGHLIGHTED])}"
        f"{_crowd(len(standing.ranked))}"
    )
    facts = "; ".join(
        f"{entry.method} ends at {entry.metric:.4g}{_over(entry)}"
        for entry in standing.ranked[:HIGHLIGHTED]
        if entry.metric is not None
    )
    title = f"Learning curves on {task.name}, protocol {standing.protocol.name}"
    name = f"curves-{task.name}-{standing.protocol.name}"
    return sketch.finish(name, title, f"Test {task.metric}: {facts}.", caption, table)


def tuning_curves(standing: TaskStanding) -> Drawing:
    """The validation score that the best of k tuning trials is expected to have."""
    task = standing.task
    curves = [_best_of(entry, task.higher_is_better) for entry in standing.ranked]
    trials = max((len(curve) for curve in curves), default=1)
    marks = tuple((float(k), str(k)) for k in _whole_marks(trials))
    x = Axis(1.0, max(trials, 2), "tuning trials k", marks=marks)
    sketch = Sketch(x, focused(curves[:HIGHLIGHTED], "validation score", trim=0))
    table: list[tuple[object, ...]] = [("method", "trials", "expected_best_validation_score")]
    for i, (entry, curve) in enumerate(zip(standing.ranked, curves, strict=True)):
        at = np.arange(1.0, len(curve) + 1)
        coloured = i < HIGHLIGHTED
        sketch.line(entry.method, i if coloured else None, at, curve, dotted=coloured)
        table += [(entry.method, k, v) for k, v in enumerate(curve.tolist(), start=1)]
    better = "higher" if task.higher_is_better else "lower"
    caption = (
        f"Best of k tuning trials, expected over which k of the trials are drawn ({better} is "
        "better), mean over replicates. A flat line is a method that needs little tuning. "
        f"{_crowd(len(standing.ranked))}"
    )
    facts = "; ".join(
        f"{entry.method} from {curve[0]:.4g} to {curve[-1]:.4g}"
        for entry, curve in list(zip(standing.ranked, curves, strict=True))[:HIGHLIGHTED]
    )
    title = f"Expected best of k tuning trials on {task.name}, protocol {standing.protocol.name}"
    name = f"tuning-{task.name}-{standing.protocol.name}"
    return sketch.finish(name, title, f"From one trial to all: {facts}.", caption, table)


def track_intervals(track: TrackStanding) -> Drawing | None:
    """The headline of each complete method with its interval; None if there is none."""
    shown = track.complete[:_MOST_ROWS]
    if not shown:
        return None
    low = min(0.0, *(entry.headline.low for entry in shown))
    high = max(1.0, *(entry.headline.high for entry in shown))
    x = Axis(low - 0.02, high + 0.02, "score (0 untuned SGD, 1 tuned AdamW)")
    rows = Axis(len(shown) - 0.4, -0.6, "", marks=((-9.0, ""),))
    left = 16 + max(text_width(_short(entry.method)) for entry in shown)
    sketch = Sketch(x, rows, height=70 + 17.0 * max(len(shown), 3), left=left)
    for end in (0.0, 1.0):
        sketch.rule(x=end)
    for row, entry in enumerate(shown):
        role = "accent" if entry.may_be_best else "muted"
        interval = entry.headline
        points = sketch.place(np.array([interval.low, interval.high]), np.array([row, row], float))
        dot = sketch.place(np.array([interval.value]), np.array([float(row)]))
        sketch.add(Group((Shape(points, role, 2.0), Shape(dot, role, 7.0, kind="dots"))))
        sketch.words.append(Words(left - 6, points[0, 1] + 4, _short(entry.method), "end", "ink"))
    more = len(track.complete) - len(shown)
    caption = (
        "Score over the track with its interval; in colour the methods that may be the best."
        + (f" The best {len(shown)}; {more} more are in the table." if more else "")
    )
    facts = "; ".join(
        f"{e.method} {e.headline.value:.3f} ({e.headline.low:.3f} to {e.headline.high:.3f})"
        for e in shown
    )
    table: list[tuple[object, ...]] = [("method", "score", "low", "high")]
    table += [(e.method, *e.headline) for e in shown]
    name = f"track-{track.track}-{track.protocol.name}"
    title = f"Score over the track {track.track}, protocol {track.protocol.name}"
    return sketch.finish(name, title, f"Scores: {facts}.", caption, table, readable=False)


def time_profile(track: TrackStanding) -> Drawing | None:
    """Performance profile of time-to-target over the tasks that every complete method ran.

    Streams have no such time and are left out. None if no run reached a target.
    """
    tasks = [standing for standing in track.tasks if not standing.stream]
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
    marks = tuple((float(mark), f"{mark}{_TIMES}") for mark in (1, 2, 5, 10, 20))
    x = Axis(1.0, 20.0, "time to target, relative to the fastest method", log=True, marks=marks)
    sketch = Sketch(x, Axis(-0.02, 1.02, "share of runs"))
    table: list[tuple[object, ...]] = [("method", "times_the_fastest", "share_of_runs")]
    for series, i in enumerate(order):
        coloured = series < HIGHLIGHTED
        sketch.line(methods[i], series if coloured else None, _RATIOS, shares[i], step=True)
        columns = zip(_RATIOS.tolist(), shares[i].tolist(), strict=True)
        table += [(methods[i], *row) for row in columns]
    caption = (
        f"Performance profile of time-to-target over {len(by_task)} tasks: the share of runs that "
        "reach the target within a multiple of the fastest method's gradient evaluations. "
        f"{_crowd(len(methods))}"
    )
    at = int(np.searchsorted(_RATIOS, 2))
    facts = "; ".join(f"{methods[i]} {shares[i][at]:.0%}" for i in order[:HIGHLIGHTED])
    name = f"profile-{track.track}-{track.protocol.name}"
    title = f"Performance profile of time-to-target, track {track.track}"
    words = f"Share of runs within twice the fastest time: {facts}."
    return sketch.finish(name, title, words, caption, table)


def defaults_against_tuned(name: str, entries: Sequence[tuple[str, Entry]]) -> Drawing:
    """Scaled validation scores of a method's defaults and of its chosen trials, a row per task."""
    found = [
        (task, entry.tuning.out_of_the_box, entry.tuning.tuned)
        for task, entry in entries
        if entry.tuning.out_of_the_box is not None and entry.tuning.tuned is not None
    ]
    found.sort(key=lambda row: (row[2] - row[1], row[0]))
    x = Axis(CLIP[0] - 0.04, CLIP[1] + 0.04, "scaled validation score, clipped")
    left = 16 + max(text_width(_short(task)) for task, _, _ in found)
    height = 70 + 17.0 * max(len(found), 3)
    sketch = Sketch(x, Axis(len(found) - 0.4, -0.6, "", marks=((-9.0, ""),)), height, left)
    sketch.rule(x=1.0)
    for row, (task, before, after) in enumerate(found):
        ends = np.clip([before, after], *CLIP)
        points = sketch.place(ends, np.array([row, row], float))
        shapes = (
            Shape(points, "line", 2.0),
            Shape(points[:1], "muted", 7.0, kind="dots"),
            Shape(points[1:], "accent", 7.0, kind="dots"),
        )
        sketch.add(Group(shapes))
        sketch.words.append(Words(left - 6, points[0, 1] + 4, _short(task), "end", "ink"))
    caption = (
        "Out of the box (grey) and tuned (blue) on each task, mean over replicates; 1 is tuned "
        "AdamW. Both are measured on the same validation data."
    )
    facts = "; ".join(f"{task} from {before:.3g} to {after:.3g}" for task, before, after in found)
    table: list[tuple[object, ...]] = [("task", "out_of_the_box", "tuned")]
    table += found
    title = f"Out of the box against tuned, {name}"
    file = f"defaults-{name}"
    return sketch.finish(file, title, f"{facts}.", caption, table, readable=False)


def sensitivity(name: str, effects: Sequence[tuple[str, Effect]]) -> Drawing:
    """Scaled validation scores of a method's trials against one hyperparameter, over tasks.

    `effects` are of one hyperparameter, each with its task. A line is the mean over tasks of the
    best trial in each part of the range: what tuning of the others can still reach there.
    """
    first = effects[0][1]
    label = f"{first.component}.{first.name}"
    x, position = _values_axis(first, label)
    sketch = Sketch(x, Axis(CLIP[0] - 0.04, CLIP[1] + 0.04, "scaled validation score"), height=230)
    table: list[tuple[object, ...]] = [("task", "replicate", "trial", label, "score")]
    for task, effect in effects:
        at = np.array([position(value) for value in effect.values], float)
        points = sketch.place(at, np.array(effect.scores, float))
        sketch.add(Group((Shape(points, "accent", 4.0, kind="dots"),)))
        rows = zip(effect.replicates, effect.trials, effect.values, effect.scores, strict=True)
        table += [(task, *row) for row in rows]
    sketch.rule(x=position(first.space.default), text="default")
    sketch.rule(y=1.0)
    trials = sum(len(effect.values) for _, effect in effects)
    caption = (
        f"{label}: each of the {trials} tuning trials on {len(effects)} "
        f"{'task' if len(effects) == 1 else 'tasks'}; 1 is tuned AdamW."
    )
    explained = [effect.explained for _, effect in effects if effect.explained is not None]
    share = f"{100 * sum(explained) / len(explained):.0f}%" if explained else "unknown"
    words = f"It explains {share} of the scores' variance, mean over tasks."
    title = f"Score against {label} of {name}"
    file = f"sensitivity-{name}-{label}"
    return sketch.finish(file, title, words, caption, table, readable=False)


def _values_axis(effect: Effect, label: str) -> tuple[Axis, Callable[[Any], float]]:
    """The axis of a hyperparameter's values, and where a value is on it."""
    space = effect.space
    if space.kind == "choice":
        kinds = [repr(choice) for choice in space.choices or ()]
        marks = tuple((float(i), _short(str(c), 12)) for i, c in enumerate(space.choices or ()))
        return (
            Axis(-0.5, max(len(kinds) - 0.5, 0.5), label, marks=marks),
            lambda value: float(kinds.index(repr(value))),
        )
    low, high = float(space.low or 0), float(space.high or 0)
    return Axis(low, high, label, log=space.kind == "log_uniform"), float


def _aligned(runs: Iterable[Run], metric: str) -> tuple[Floats, Floats]:
    """Test curves on one grid: positions (points,), values (runs, points), missing after an end.

    A completed run that ended early, because its score was settled, keeps its last value.
    """
    curves = [run for run in runs if run.curve.test.get(metric)]
    if not curves:
        return np.empty(0), np.empty((0, 0))
    grids = [run.curve.gradient_evaluations for run in curves]
    same = all(grid == grids[0] for grid in grids[1:])
    at = np.array(grids[0], float) if same else np.unique(np.concatenate(grids))
    at = at[_thinned(len(at), _POINTS)]
    values = []
    for run in curves:
        known = run.curve.gradient_evaluations
        right = None if run.status == "completed" else math.nan
        values.append(np.interp(at, known, run.curve.test[metric], right=right))
    table = np.array(values)
    alive = ~np.isnan(table).all(axis=0)
    return at[alive], table[:, alive]


def _thinned(count: int, most: int) -> slice | Floats:
    """The indices of at most that many points, both ends among them."""
    if count <= most:
        return slice(None)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def _mean(values: Floats) -> Floats:
    return np.asarray(np.nanmean(values, axis=0))


def _best_of(entry: Entry, higher_is_better: bool) -> Floats:
    curves = [
        expected_best([r.validation_score for r in each.tuning], higher_is_better=higher_is_better)
        for each in entry.result.replicates
    ]
    shortest = min(len(curve) for curve in curves)
    return np.asarray(np.mean([curve[:shortest] for curve in curves], axis=0))


def _whole_marks(most: int) -> list[int]:
    step = max(1, math.ceil(most / 8))
    return sorted({1, *range(step, most + 1, step)})


def _shortfall(entries: Iterable[Entry]) -> str:
    """Methods with lines that end over fewer runs than exist: a failed run is missing from then."""
    short = [entry for entry in entries if entry.metric_runs < entry.runs]
    if not short:
        return ""
    listed = ", ".join(f"{entry.method} {share_of_runs(entry)}" for entry in short)
    return f"A run that did not complete is missing from where it ended; at the end: {listed}. "


def _over(entry: Entry) -> str:
    return f" {share_of_runs(entry)}" if entry.metric_runs < entry.runs else ""


def _crowd(total: int) -> str:
    if total <= HIGHLIGHTED:
        return ""
    return f"The best {HIGHLIGHTED} in colour, the other {total - HIGHLIGHTED} in grey."


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
