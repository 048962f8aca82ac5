"""Results in great numbers, for tests of size and time: variations of a few samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.references import Reference, References
from suite.results.frames import Stored
from suite.results.model import Result, Run
from tests.samples import TASKS, make_reference, make_result

FAMILIES = ("algorithmic", "continual", "language", "theory", "vision")
#: samples whose tasks have a scale of raw scores that a few percent do not leave
_SAMPLES = ("digits", "lm_markov", "permuted_digits")


def many_results(methods: int, tasks: int, protocol: str = "quick") -> list[Stored]:
    """Results of so many methods on each of so many tasks; not sealed: for use in memory.

    A third of the tasks are core. The methods' scores differ by some percent.
    """
    rng = np.random.default_rng(0)
    names = ["adamw", *(f"optimizer_{number:03d}" for number in range(1, methods))]
    samples = [make_result(name, "adamw", protocol, points=40) for name in _SAMPLES]
    stored = []
    for number in range(tasks):
        sample = samples[number % len(samples)]
        fields = {
            "name": task_name(number),
            "family": FAMILIES[number % len(FAMILIES)],
            "core": number % 3 == 0,
        }
        task = sample.task.model_copy(update=fields)
        for name in names:
            result = _varied(sample, name, float(rng.normal(1, 0.05)), rng)
            result = result.model_copy(update={"task": task})
            stored.append(Stored(Path(task.name, f"{name}.{protocol}.json"), result))
    return stored


def task_name(number: int) -> str:
    """The name of one of the tasks."""
    return f"{_SAMPLES[number % len(_SAMPLES)]}_{number:02d}"


def references_of(tasks: int) -> References:
    """A scale for each of the tasks."""
    return {
        task_name(number): Reference(**make_reference(sample, *ends))
        for number in range(tasks)
        for sample, ends in [(_SAMPLES[number % len(_SAMPLES)], _ends(number))]
    }


def _ends(number: int) -> tuple[float, float]:
    return (3.0, 1.5) if TASKS[_SAMPLES[number % len(_SAMPLES)]][3] == "loss" else (0.1, 0.9)


def _varied(sample: Result, name: str, factor: float, rng: np.random.Generator) -> Result:
    (part,) = sample.method.components
    method = sample.method.model_copy(
        update={"name": name, "components": [part.model_copy(update={"name": name})]}
    )
    replicates = [
        each.model_copy(
            update={
                purpose: [
                    _moved(run, name, factor * float(rng.normal(1, 0.02)))
                    for run in getattr(each, purpose)
                ]
                for purpose in ("tuning", "evaluation")
            }
        )
        for each in sample.replicates
    ]
    return sample.model_copy(update={"method": method, "replicates": replicates})


def _moved(run: Run, name: str, factor: float) -> Run:
    scores: dict[str, Any] = {"validation_score": run.validation_score * factor}
    if run.test_score is not None:
        scores["test_score"] = run.test_score * factor
    curve = run.curve.model_copy(
        update={
            split: {
                metric: [value * factor for value in values]
                for metric, values in getattr(run.curve, split).items()
            }
            for split in ("validation", "test")
        }
    )
    chosen = {name: next(iter(run.hyperparameters.values()))}
    return run.model_copy(update={**scores, "curve": curve, "hyperparameters": chosen})
