"""Tuning: which configurations a study tries, deterministic for any parallelism.

One generation of configurations at a time is requested from a new sampler. It is seeded by the
study's seed and the generation's number, and gets all earlier trials in trial order. So
configurations depend on earlier scores only, and not on which worker finished first or how often a
run was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.samplers import TPESampler
from optuna.trial import create_trial

from suite.components.search import Distribution
from suite.problems.score import Direction
from suite.results.model import SamplerRecord
from suite.studies.protocol import StudyRules
from suite.training.seeds import derive

#: TPE in its multivariate form; running trials of the same generation repel each other
SAMPLER_ARGUMENTS: dict[str, Any] = {
    "n_startup_trials": 8,
    "n_ei_candidates": 24,
    "multivariate": True,
    "group": False,
    "constant_liar": True,
}


def sampler_record() -> SamplerRecord:
    """What a result says about the sampler."""
    return SamplerRecord(
        name="TPESampler", arguments=SAMPLER_ARGUMENTS, optuna_version=optuna.__version__
    )


def propose(
    space: Mapping[str, Distribution],
    protocol: StudyRules,
    seed: int,
    direction: Direction,
    history: Sequence[tuple[dict[str, Any], float]],
) -> list[dict[str, Any]]:
    """The next generation's configurations, as flat hyperparameters.

    `history` is (hyperparameters, score) of all earlier trials, in trial order; the generation
    number is their number over the protocol's generation size. Trial 0 is the defaults.
    """
    generation, partial = divmod(len(history), protocol.generation)
    if partial:
        raise ValueError(f"a generation of {protocol.generation} trials is not finished yet")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {name: distribution.to_optuna() for name, distribution in space.items()}
    # Optuna takes 32 bits of seed.
    sampler = TPESampler(seed=derive(seed, "sampler", generation) % 2**32, **SAMPLER_ARGUMENTS)
    study = optuna.create_study(sampler=sampler, direction=direction)
    for params, score in history:
        study.add_trial(create_trial(params=params, distributions=distributions, value=score))
    if not history:
        study.enqueue_trial({name: d.default for name, d in space.items()})
    count = min(protocol.generation, protocol.trials - len(history))
    return [study.ask(distributions).params for _ in range(count)]


def best(scores: Sequence[float], higher_is_better: bool) -> int:
    """The trial that tuning chooses: the best score, the earliest among equals."""
    sign = -1.0 if higher_is_better else 1.0
    return min(range(len(scores)), key=lambda number: (sign * scores[number], number))
