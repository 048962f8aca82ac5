"""Comparing a few methods on one task: differences seed by seed, and their learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.selection import method_of
from leaderboard.standings import Entry, TaskStanding, task_standings
from leaderboard.statistics import Interval
from leaderboard.statistics.retired import (
    bootstrap,
    generator,
    mean_interval,
    percentile_interval,
)
from suite.errors import UsageError, unknown_name
from suite.results.frames import curves_frame, read_folder

#: what matplotlib writes without other programs
FIGURE_ENDINGS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Difference:
    """The difference between a method's mean test score and the baseline's."""

    method: str
    baseline: str
    interval: Interval
    #: "paired over n seeds", or why it could not be paired
    how: str


def choose_standing(
    results: Path, task: str, methods: Sequence[str], protocol: str | None
) -> tuple[TaskStanding, int]:
    """The ranking of these methods alone, in the protocol with most trials that all have.

    Also returns the number of refused files. Raises UsageError naming what is missing.
    """
    on_task, invalid = read_folder(results, [task])
    known = {method_of(item.result) for item in on_task}
    if not known:
        raise UsageError(f"{results} holds no results on {task}.")
    for method in methods:
        if method not in known:
            raise unknown_name(f"method with results on {task}", method, known)
    found = task_standings(item for item in on_task if method_of(item.result) in methods)
    if protocol is not None:
        found = [standing for standing in found if standing.protocol.name == protocol]
    whole = [s for s in found if {entry.method for entry in s.entries} == set(methods)]
    if not whole:
        has = "; ".join(
            f"{s.protocol.name}: {', '.join(entry.method for entry in s.entries)}" for s in found
        )
        raise UsageError(
            f"the methods share no protocol on {task} ({has or 'none has this protocol'}). "
            "Run the missing ones with `suite run`."
        )
    best = max(whole, key=lambda s: (s.protocol.budget_fraction, s.protocol.trials))
    return best, len(invalid)


def differences(standing: TaskStanding, methods: Sequence[str]) -> list[Difference]:
    """Mean test score of each other method minus that of the first, with bootstrap intervals.

    Runs with the same seed share data split, initial weights and batch order, so their difference
    is computed per seed; without common seeds the two means are resampled separately.
    """
    baseline, *others = _entries(standing, methods)
    return [_difference(entry, baseline) for entry in others]


def _entries(standing: TaskStanding, methods: Sequence[str]) -> list[Entry]:
    """The entry of each method; for one with several result seeds, the ranked one."""
    found: dict[str, Entry] = {}
    for entry in standing.entries:
        found.setdefault(entry.method, entry)
    return [found[method] for method in dict.fromkeys(methods)]


def _difference(entry: Entry, baseline: Entry) -> Difference:
    mine, theirs = entry.scores, baseline.scores
    rng = generator("compare", entry.result.task.name, entry.method, baseline.method)
    common = sorted(mine.keys() & theirs.keys())
    if common:
        interval = mean_interval([mine[seed] - theirs[seed] for seed in common], rng)
        how = f"paired over {len(common)} seeds"
    else:
        values, others = list(mine.values()), list(theirs.values())
        resampled = bootstrap(values, rng).mean(1) - bootstrap(others, rng).mean(1)
        interval = percentile_interval(float(np.mean(values) - np.mean(others)), resampled)
        how = "not paired: the results have no seed in common"
    return Difference(entry.method, baseline.method, interval, how)


def check_figure(path: Path) -> None:
    """Raise UsageError if no format has the file's ending: before the work, not after it."""
    if path.suffix.lower() not in FIGURE_ENDINGS:
        endings = ", ".join(FIGURE_ENDINGS)
        raise UsageError(f"--figure {path}: the file's name must end in one of {endings}.")


def draw_curves(standing: TaskStanding, methods: Sequence[str], path: Path) -> None:
    """Write the learning curves on test data to a file, one line per seed.

    Raises UsageError if no format has the file's ending.
    """
    check_figure(path)
    import seaborn as sns
    from matplotlib.figure import Figure

    task = standing.task
    figure = Figure(figsize=(7, 4.3), layout="constrained")
    curves = curves_frame(entry.stored for entry in _entries(standing, methods))
    shown = curves[
        (curves.purpose == "evaluation") & (curves.split == "test") & (curves.metric == task.metric)
    ]
    with sns.axes_style("whitegrid"):
        axes = figure.subplots()
    sns.lineplot(
        shown,
        x="gradient_evaluations",
        y="value",
        hue="method",
        hue_order=list(dict.fromkeys(methods)),
        units="number",
        estimator=None,
        palette="colorblind",
        ax=axes,
    )
    axes.axhline(task.target, color="gray", linestyle=":", label="target")
    axes.legend()
    axes.set(
        title=f"{task.name}, protocol {standing.protocol.name}: one line per seed",
        xlabel="gradient evaluations",
        ylabel=f"test {task.metric}",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, format=path.suffix[1:].lower())
