"""How long studies will take on this machine: from finished trials, else measured beforehand.

The storage of a study says what each finished trial took here. A task without any is timed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from suite.data.split import Split
from suite.home import home
from suite.studies.journal import read_entries
from suite.studies.plan import Plan
from suite.training.calibration import time_evaluation, time_gradient

#: newest storages that are read, of the method itself or of others on the task
_STORAGES = 5


@dataclass(frozen=True)
class Estimate:
    """What a study should take."""

    #: seconds of one trial
    trial: float
    #: how many trials come one after another
    rounds: int

    @property
    def seconds(self) -> float:
        """Seconds of the whole study."""
        return self.trial * self.rounds


def trial_seconds(plan: Plan) -> float:
    """Seconds of one trial: gradient evaluations and measurements of held-out data, timed now.

    May raise MissingData. The method's own work between gradient evaluations is not included.
    """
    task, problem = plan.task, plan.task.problem
    _prepare_process(plan.threads)
    data = problem.data(plan.data, torch.Generator().manual_seed(0))
    train = data.train.to(plan.device)
    steps = plan.budget / task.batch_size
    seconds = steps * time_gradient(task, train, plan.device)
    model = problem.model().to(plan.device)
    if problem.online:
        inputs, targets = next(iter(problem.batches(train, task.batch_size, torch.Generator())))
        measurements = steps * (2 if problem.measures_plasticity else 1)
        return seconds + measurements * time_evaluation(task, model, Split(inputs, targets))
    evaluations: float = 1 + max(1, round(task.evaluations * plan.budget / task.budget))
    if problem.every_step:
        evaluations = steps
    held_out = (data.validation or train).to(plan.device)
    return seconds + evaluations * time_evaluation(task, model, held_out)


def _prepare_process(threads: int) -> None:
    """Of a trial's settings, those that decide how long it takes.

    Not `make_repeatable`: to set torch's deterministic mode imports its compiler, for a second.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def kept_trial_seconds(plan: Plan) -> float | None:
    """Seconds of one trial according to finished trials here; None if there is none.

    Those of the same method, else of any method on the task. Trials on another device, or with
    another number of threads, do not count.
    """
    folder = home() / "studies" / plan.task.name
    every = sorted(folder.glob("*.journal"), key=_age, reverse=True)
    of_method = f"{plan.method.name}."
    own = [path for path in every if path.name.startswith(of_method)]
    for paths in (own, every):
        found = [seconds for path in paths[:_STORAGES] for seconds in _seconds(path, plan)]
        if found:
            return statistics.median(found)
    return None


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0


def _seconds(path: Path, plan: Plan) -> Iterator[float]:
    """What trials of a storage took, for the budget of a plan.

    Work grows with the budget; what surrounds it, such as starting a process, does not.
    """
    entries = list(read_entries(path))
    settings = {"device": plan.device, "threads": plan.threads}
    if any(e["value"] != settings for e in entries if e.get("kept") == "settings"):
        return
    for entry in entries:
        run: dict[str, Any] = entry.get("run") or {}
        if run.get("status") != "completed" or not run["cost"]["examples"]:
            continue
        work = run["cost"]["seconds"] + run["cost"]["evaluation_seconds"]
        around = max(0.0, (entry.get("seconds") or work) - work)
        yield work * plan.budget / run["cost"]["examples"] + around


def study_estimates(plans: Sequence[Plan], jobs: int) -> dict[str, Estimate]:
    """Study identity to what it should take with `jobs` trials at a time; may raise MissingData."""
    timed: dict[str, float] = {}
    estimates = {}
    for plan in plans:
        trial = kept_trial_seconds(plan)
        if trial is None and plan.device == "cuda" and not torch.cuda.is_available():
            trial = plan.task.time_limit  # it runs elsewhere, and cannot be timed here
        if trial is None:
            if plan.task.name not in timed:
                timed[plan.task.name] = trial_seconds(plan)
            trial = timed[plan.task.name]
        # A generation ends when its last trial does.
        rules = plan.rules
        full, rest = divmod(rules.trials, rules.generation)
        # The replicates' trials of a generation run beside one another.
        beside = [*[rules.generation] * full, rest, rules.seeds]
        rounds = sum(math.ceil(rules.replicates * trials / jobs) for trials in beside)
        estimates[plan.identity] = Estimate(trial, rounds)
    return estimates
