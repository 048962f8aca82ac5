"""What of a run goes into a result file: what scores follow from, and what readers look at.

A file holds some dozens of runs, and a board some thousands of files. The study's journal keeps
everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from suite.results.model import Run

_Number = TypeVar("_Number", float, "float | None")

#: digits of what is only looked at; scores are read from numbers that are not rounded again
_DIGITS_OF_TIMES, _DIGITS = 4, 5


def trimmed(run: Run, metric: str) -> Run:
    """The run as a result holds it; `metric` is the scored one.

    A tuning run keeps its score's metric only. An evaluation run keeps it on validation data, and
    all metrics on test data, with fewer digits where no score follows from them.
    """
    curve, seconds_to_target = run.curve, run.seconds_to_target
    validation = {name: values for name, values in curve.validation.items() if name == metric}
    kept: dict[str, Any]
    if run.test_score is None:
        kept = {"seconds": [], "train_loss": [], "diagnostics": {}}
    else:
        seconds = _rounded(curve.seconds, _DIGITS_OF_TIMES)
        if run.time_to_target is not None:
            at = curve.gradient_evaluations.index(run.time_to_target)
            seconds_to_target = seconds[at]
        kept = {
            "seconds": seconds,
            "train_loss": _rounded(curve.train_loss, _DIGITS),
            "test": {
                name: values if name == metric else _rounded(values, _DIGITS)
                for name, values in curve.test.items()
            },
            "diagnostics": {
                name: _rounded(values, _DIGITS) for name, values in curve.diagnostics.items()
            },
        }
    curve = curve.model_copy(update={"validation": validation, **kept})
    return run.model_copy(update={"curve": curve, "seconds_to_target": seconds_to_target})


def _rounded(values: Iterable[_Number], digits: int) -> list[_Number]:
    return [None if value is None else float(f"{value:.{digits}g}") for value in values]
