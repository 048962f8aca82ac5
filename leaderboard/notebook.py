"""Standings and comparisons as pandas frames: `suite.standings`, `suite.compare`.

docs/notebook.md lists the columns with their units.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from leaderboard.board import find_board
from leaderboard.comparison import TaskComparison, compare_on_task, compare_on_track
from leaderboard.standings import Entry, TaskStanding
from leaderboard.tracks import TrackEntry, TrackStanding
from suite.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Found = TypeVar("Found", TaskStanding, TrackStanding)


def standings(
    task: str | None = None,
    *,
    track: str = "mini",
    protocol: str | None = None,
    results: str | Path = "results",
    published: bool | None = None,
) -> pd.DataFrame:
    """The methods over a track, or on a task: one row each, best first, with their ranks.

    Without a protocol, the most complete one. The published results, which the package holds, are
    added unless `results` is the folder of a checkout; `published` decides otherwise. Raises
    UsageError if there are no such results.
    """
    import pandas as pd

    board = find_board(results, published, None if task is None else [task])
    if task is not None:
        standing = _found(board.task(task, protocol), f"task {task}", results, protocol)
        return pd.DataFrame([_task_row(entry, standing) for entry in standing.entries])
    over = board.track(track, protocol)
    ranked = over if over is not None and over.entries else None
    over = _found(ranked, f"track {track}", results, protocol)
    return pd.DataFrame([_track_row(entry, over) for entry in over.entries])


def _found(standing: Found | None, where: str, results: str | Path, protocol: str | None) -> Found:
    if standing is None:
        under = "" if protocol is None else f" under the protocol {protocol}"
        raise UsageError(f"{results} holds no results on the {where}{under} that can be ranked.")
    return standing


def compare(
    *methods: str,
    task: str | None = None,
    track: str = "mini",
    protocol: str | None = None,
    results: str | Path = "results",
    published: bool | None = None,
) -> pd.DataFrame:
    """Each other method minus the first: on a task, or on each core task of a track and overall.

    One row for each task and method; over a track also one for the headline, with the task
    "headline". Without a protocol, the one with most trials that all methods have. Raises
    UsageError naming what is missing.
    """
    import pandas as pd

    board = find_board(results, published, None if task is None else [task])
    if task is not None:
        return pd.DataFrame(_difference_rows(compare_on_task(board, task, methods, protocol)))
    over = compare_on_track(board, track, methods, protocol)
    rows = [row for on_task in over.tasks for row in _difference_rows(on_task)]
    means, first = over.comparisons.means, over.methods[0]
    for method, pair in over.differences.items():
        scores = {"score": means[method].value, "baseline_score": means[first].value}
        same = {"difference": pair.value, "low": pair.low, "high": pair.high}
        names = {"task": "headline", "family": None, "method": method, "baseline": first}
        chances = {"p": pair.p, "adjusted_p": pair.adjusted_p, "verdict": pair.verdict}
        rows.append({**names, **scores, **same, "scaled_difference": pair.value, **chances})
    return pd.DataFrame(rows)


def _difference_rows(found: TaskComparison) -> list[dict[str, Any]]:
    first, *others = found.entries
    rows = []
    for entry in others:
        pair = found.differences[entry.method]
        scaled = None
        if entry.scaled is not None and first.scaled is not None:
            scaled = entry.scaled.value - first.scaled.value
        rows.append(
            {
                "task": found.standing.task.name,
                "family": found.standing.task.family,
                "method": entry.method,
                "baseline": first.method,
                "score": entry.raw.value,
                "baseline_score": first.raw.value,
                "difference": pair.value,
                "low": pair.low,
                "high": pair.high,
                "scaled_difference": scaled,
                "p": pair.p,
                "adjusted_p": pair.adjusted_p,
                "verdict": pair.verdict,
            }
        )
    return rows


def _task_row(entry: Entry, standing: TaskStanding) -> dict[str, Any]:
    place, scaled, facts = entry.standing, entry.scaled, entry.tuning
    return {
        "method": entry.method,
        "rank_low": None if place is None else place.ranks.low,
        "rank_high": None if place is None else place.ranks.high,
        "may_be_best": None if place is None else place.may_be_best,
        "vs_adamw": None if place is None else place.verdict,
        "score": entry.raw.value,
        "score_low": entry.raw.low,
        "score_high": entry.raw.high,
        "scaled": None if scaled is None else scaled.value,
        "scaled_low": None if scaled is None else scaled.low,
        "scaled_high": None if scaled is None else scaled.high,
        "replicates": len(entry.scores),
        "metric": entry.metric,
        "reached_target": None if standing.stream else entry.reached / entry.runs,
        "time_to_target": None if standing.stream else entry.time_to_target,
        "gradient_evaluations": entry.gradient_evaluations,
        "out_of_the_box": facts.out_of_the_box,
        "tuned": facts.tuned,
        "gain": facts.gain,
        "trials_needed": entry.trials_needed,
        "sensitivity": facts.sensitivity,
        "failed_trials": facts.failed,
        "step_cost": entry.step_cost,
        "note": entry.remark,
        "path": str(entry.stored.path),
    }


def _track_row(entry: TrackEntry, track: TrackStanding) -> dict[str, Any]:
    over, (family, worst) = entry.over, entry.worst_family
    families = {
        f"family.{name}": entry.families[name].value if name in entry.families else None
        for name in track.families
    }
    return {
        "method": entry.method,
        "rank_low": None if entry.ranks is None else entry.ranks.low,
        "rank_high": None if entry.ranks is None else entry.ranks.high,
        "may_be_best": entry.may_be_best,
        "score": entry.headline.value,
        "score_low": entry.headline.low,
        "score_high": entry.headline.high,
        "beats_adamw": entry.beats_adamw,
        "worst_family": family,
        "worst_family_score": worst,
        "solved": entry.solved,
        "tasks": len(entry.entries),
        "missing": ", ".join(entry.missing),
        "out_of_the_box": over.out_of_the_box,
        "gain": over.gain,
        "trials_needed": over.trials_needed,
        "sensitivity": over.sensitivity,
        "failed_trials": over.failed_trials,
        "step_cost": over.step_cost,
        **families,
    }
