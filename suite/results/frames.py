"""Result files as pandas frames, for notebooks and for the leaderboard's data download.

>>> runs, curves = suite.load_results("results")
>>> runs[runs.purpose == "evaluation"].groupby(["task", "method"]).test_score.mean()
>>> curves.merge(runs[[*RUN_KEY, "status", "device"]], on=RUN_KEY)

Two files may hold results of one method, such as of two seeds: `path` distinguishes them.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from suite.errors import InvalidResult, UsageError
from suite.results.files import check_place, find, read
from suite.results.model import Cost, Purpose, Replicate, Result, Run

if TYPE_CHECKING:
    import pandas as pd


class Stored(NamedTuple):
    """A valid result and the file it was read from."""

    path: Path
    result: Result


class Invalid(NamedTuple):
    """A file that is not a valid result, and why."""

    path: Path
    reason: str


class Frames(NamedTuple):
    """`runs` has one row per run, `curves` one row per evaluation point, split and metric.

    `RUN_KEY` (path, replicate, purpose, number) identifies one run in both; `replicate` is the
    replicate's seed.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame


def read_folder(
    folder: str | Path, tasks: Collection[str] | None = None
) -> tuple[list[Stored], list[Invalid]]:
    """Every result file below a folder, valid ones separate from invalid ones.

    With `tasks`, only the files on these tasks are read: they are in the folders of these names.
    Raises UsageError if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such results folder")
    stored, invalid = [], []
    for path in find(folder, tasks):
        try:
            result = read(path)
            check_place(result, path)
        except InvalidResult as error:
            invalid.append(Invalid(path, str(error).removeprefix(f"{path}: ")))
        else:
            stored.append(Stored(path, result))
    return stored, invalid


def load_results(folder: str | Path = "results", *, strict: bool = True) -> Frames:
    """The results below a folder as frames.

    A file that is not a valid result raises InvalidResult; with `strict=False` such files are
    left out, and one warning lists them.
    """
    stored, invalid = read_folder(folder)
    if invalid:
        listed = "\n".join(f"  {path}: {reason}" for path, reason in invalid)
        text = f"{len(invalid)} of {len(invalid) + len(stored)} files are not valid:\n{listed}"
        if strict:
            raise InvalidResult(text)
        warnings.warn(f"left out: {text}", stacklevel=2)
    return Frames(runs_frame(stored), curves_frame(stored))


def runs_frame(stored: Iterable[Stored]) -> pd.DataFrame:
    """One row per run, tuning and evaluation; hyperparameters in columns like `hp.lion.lr`."""
    import pandas as pd

    rows = [
        _run_row(item, replicate, purpose, run)
        for item in stored
        for replicate in item.result.replicates
        for purpose, runs in replicate.by_purpose()
        for run in runs
    ]
    frame = pd.DataFrame(rows, columns=None if rows else RUN_COLUMNS)
    fixed = [name for name in frame.columns if not name.startswith("hp.")]
    return frame[[*fixed, *sorted(set(frame.columns) - set(fixed))]]


def curves_frame(stored: Iterable[Stored]) -> pd.DataFrame:
    """One row per evaluation point, split and metric, in the order they were measured."""
    import pandas as pd

    parts: dict[str, list[Any]] = {name: [] for name in _CURVE_COLUMNS}
    for item in stored:
        for replicate in item.result.replicates:
            for purpose, runs in replicate.by_purpose():
                for run in runs:
                    _add_curve(parts, item, replicate, purpose, run)
    return pd.DataFrame(parts)


_COST_COLUMNS = (
    *(name for name in Cost.model_fields if name != "audit"),
    *("audit_slope", "audit_rest"),
)
#: the columns of `runs`, before those of the hyperparameters
RUN_COLUMNS = (
    *(
        "task",
        "task_version",
        "track",
        "family",
        "method",
        "optimizer",
        "protocol",
        "protocol_version",
    ),
    *("result_seed", "device", "threads", "replicate", "purpose", "number", "seed", "chosen"),
    *("status", "reason", "validation_score", "test_score"),
    *("time_to_target", "seconds_to_target", *_COST_COLUMNS),
    *("canonical", "data_fingerprint", "finished", "path"),
)
#: the columns that identify one run in both frames: join on them
RUN_KEY = ["path", "replicate", "purpose", "number"]
_CURVE_COLUMNS = (
    "path",
    "task",
    "task_version",
    "method",
    "protocol",
    "result_seed",
    "replicate",
    "purpose",
    "number",
    "gradient_evaluations",
    "seconds",
    "train_loss",
    "split",
    "metric",
    "value",
)


def _run_row(item: Stored, replicate: Replicate, purpose: Purpose, run: Run) -> dict[str, Any]:
    result = item.result
    optimizer = result.method.components[0].name
    row: dict[str, Any] = {
        "task": result.task.name,
        "task_version": result.task.version,
        "track": result.task.track,
        "family": result.task.family,
        "method": result.method.name,
        "optimizer": optimizer,
        "protocol": result.protocol.name,
        "protocol_version": result.protocol.version,
        "result_seed": result.seed,
        "device": result.device,
        "threads": result.threads,
        "replicate": replicate.seed,
        "purpose": purpose,
        "number": run.number,
        "seed": run.seed,
        "chosen": purpose == "evaluation" or run.number == replicate.chosen,
        "status": run.status,
        "reason": run.reason,
        "validation_score": run.validation_score,
        "test_score": run.test_score,
        "time_to_target": run.time_to_target,
        "seconds_to_target": run.seconds_to_target,
        **_cost(run.cost),
        "canonical": result.data.canonical if result.data else None,
        "data_fingerprint": result.data.fingerprint if result.data else None,
        "finished": result.environment.finished,
        "path": str(item.path),
    }
    for component, values in run.hyperparameters.items():
        row.update({f"hp.{component}.{name}": value for name, value in values.items()})
    return row


def _cost(cost: Cost) -> dict[str, Any]:
    """The costs of a run in columns of `_COST_COLUMNS`."""
    audit = cost.audit
    return {
        **cost.model_dump(exclude={"audit"}),
        "audit_slope": None if audit is None else audit.slope,
        "audit_rest": None if audit is None else audit.rest,
    }


def _add_curve(
    parts: dict[str, list[Any]], item: Stored, replicate: Replicate, purpose: Purpose, run: Run
) -> None:
    result, curve = item.result, run.curve
    constants = {
        "path": str(item.path),
        "task": result.task.name,
        "task_version": result.task.version,
        "method": result.method.name,
        "protocol": result.protocol.name,
        "result_seed": result.seed,
        "replicate": replicate.seed,
        "purpose": purpose,
        "number": run.number,
    }
    for split, metrics in (("validation", curve.validation), ("test", curve.test)):
        for metric, values in metrics.items():
            n = len(values)
            for name, value in constants.items():
                parts[name].extend([value] * n)
            parts["gradient_evaluations"].extend(curve.gradient_evaluations)
            parts["seconds"].extend(curve.seconds or [None] * n)
            parts["train_loss"].extend(curve.train_loss or [None] * n)
            parts["split"].extend([split] * n)
            parts["metric"].extend([metric] * n)
            parts["value"].extend(values)
