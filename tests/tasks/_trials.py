"""Trials of torch's own optimizers on a task, or on a variation of it."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager

from suite import optimizer
from suite.components import registry
from suite.results.model import Run
from suite.training.loop import run_trial
from suite.training.trial import Trial


@contextmanager
def registered(task):
    """Inside, the task stands in the registry, in place of one of the same name."""
    known = registry._registry.found
    before = known.get(("task", task.name))
    known["task", task.name] = task
    try:
        yield task
    finally:
        if before is None:
            del known["task", task.name]
        else:
            known["task", task.name] = before


def train(task, build, *, seed: int = 0, steps: int | None = None, **changes) -> Run:
    """One finished run of `build(parameters)`; `changes` replace attributes of the problem."""
    problem = task.problem
    if changes:
        problem = type(problem)(**{**vars(problem), **changes})
    budget = task.budget if steps is None else steps * task.batch_size
    name = "optimizer_under_test"
    optimizer(name, build, paper="none", url="")
    try:
        with registered(dataclasses.replace(task, problem=problem, budget=budget)):
            trial = Trial(task.name, (("optimizer", name),), {name: {}}, 0, seed, "evaluation")
            run = run_trial(trial).run
    finally:
        del registry._registry.found["optimizer", name]
    assert run.status == "completed", run.traceback or run.reason
    return run
