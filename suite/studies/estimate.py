"""How long studies will take on this machine, measured before they start."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from suite.data.split import Split
from suite.studies.plan import Plan
from suite.training.calibration import time_evaluation, time_gradient


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


def study_seconds(plans: Sequence[Plan], jobs: int) -> dict[str, float]:
    """Study identity to the seconds it should take with `jobs` trials at a time."""
    a_trial: dict[str, float] = {}
    estimates = {}
    for plan in plans:
        if plan.task.name not in a_trial:
            a_trial[plan.task.name] = trial_seconds(plan)
        # A generation ends when its last trial does.
        tuning, rest = divmod(plan.rules.trials, plan.rules.generation)
        rounds = tuning * -(-plan.rules.generation // jobs) - (-rest // jobs)
        rounds -= -plan.rules.seeds // jobs
        estimates[plan.identity] = rounds * a_trial[plan.task.name]
    return estimates
