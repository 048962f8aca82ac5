"""Trials of torch's own optimizers on a task, or on a variation of it."""

from __future__ import annotations

import dataclasses

from suite import optimizer
from suite.components import registry
from suite.results.model import Run
from suite.training.loop import run_trial
from suite.training.trial import Trial


def train(task, build, *, seed: int = 0, steps: int | None = None, **changes) -> Run:
    """One finished run of `build(parameters)`; `changes` replace attributes of the problem."""
    problem = task.problem
    if changes:
        problem = type(problem)(**{**vars(problem), **changes})
    budget = task.budget if steps is None else steps * task.batch_size
    name = "optimizer_under_test"
    optimizer(name, build, paper="none", url="")
    try:
        with registry.replaced(dataclasses.replace(task, problem=problem, budget=budget)):
            trial = Trial(task.name, (("optimizer", name),), {name: {}}, 0, seed, "evaluation")
            run = run_trial(trial).run
    finally:
        registry.forget("optimizer", name)
    assert run.status == "completed", run.traceback or run.reason
    return run
