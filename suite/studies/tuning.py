"""Tuning: which configurations a replicate tries, deterministic for any parallelism.

Trial 0 is the declared defaults. The others are points of a scrambled Sobol sequence in the unit
cube, one dimension for each hyperparameter, mapped through the hyperparameter's quantile function:
numbers, whole numbers and choices are all spread evenly. The points are those of Optuna's
`QMCSampler`, which by itself would draw choices at random, and in an order that depends on which
trials finished first. A point depends on the seed and the trial's number alone, so that the trials
of `quick` are the first of those of `standard`.

Optuna's TPE is here to compare with: `scripts/compare_samplers.py`. One generation of
configurations at a time is requested from a new sampler, which gets all earlier trials in order.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from suite.components.search import Distribution
from suite.problems.score import Direction
from suite.results.model import SamplerRecord
from suite.studies.protocol import Sampler, StudyRules
from suite.studies.sweep import grid
from suite.training.seeds import derive

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Flat = dict[str, Any]

#: a scrambled sequence differs from seed to seed, and is as even
SOBOL_ARGUMENTS: dict[str, Any] = {"qmc_type": "sobol", "scramble": True}
#: TPE in its multivariate form; running trials of the same generation repel each other
TPE_ARGUMENTS: dict[str, Any] = {
    "n_startup_trials": 8,
    "n_ei_candidates": 24,
    "multivariate": True,
    "group": False,
    "constant_liar": True,
}
#: digits of a proposed number: another processor's last digits are no other proposal
_DIGITS = 6


def sampler_record(sampler: Sampler) -> SamplerRecord:
    """What a result says about a sampler."""
    if sampler == "sobol":
        name, arguments = "QMCSampler", SOBOL_ARGUMENTS
    else:
        name, arguments = "TPESampler", TPE_ARGUMENTS
    version = metadata.version("optuna")
    return SamplerRecord(name=name, arguments=arguments, package="optuna", version=version)


def propose(
    space: Mapping[str, Distribution],
    protocol: StudyRules,
    seed: int,
    direction: Direction,
    history: Sequence[tuple[Flat, float]],
) -> list[Flat]:
    """The next generation's configurations, as flat hyperparameters.

    `seed` is the replicate's. `history` is (hyperparameters, score) of all its earlier trials, in
    trial order; the generation number is their number over the protocol's generation size.
    """
    if len(history) % protocol.generation:
        raise ValueError(f"a generation of {protocol.generation} trials is not finished yet")
    count = min(protocol.generation, protocol.trials - len(history))
    if protocol.swept:
        return grid(space, protocol.swept)[len(history) : len(history) + count]
    if protocol.sampler == "tpe":
        return _tpe(space, protocol, seed, direction, history, count)
    return _sobol(space, seed, protocol.trials)[len(history) : len(history) + count]


def _sobol(space: Mapping[str, Distribution], seed: int, trials: int) -> list[Flat]:
    """The defaults, then the first points of the seed's sequence."""
    defaults = {name: distribution.default for name, distribution in space.items()}
    if not space:
        return [defaults] * trials
    import optuna  # takes long to import
    from optuna.distributions import FloatDistribution
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        # "The interface can change": a test holds the points, and results name the version.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Optuna takes 32 bits of seed.
        bits = derive(seed, "sampler") % 2**32
        sampler = optuna.samplers.QMCSampler(seed=bits, **SOBOL_ARGUMENTS)
    study = optuna.create_study(sampler=sampler)
    unit: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in space}
    # The sampler takes the names of the dimensions from a finished trial.
    middle = dict.fromkeys(space, 0.5)
    study.add_trial(create_trial(params=middle, distributions=unit, value=0.0))
    points = [study.ask(unit).params for _ in range(trials - 1)]
    return [
        defaults,
        *({name: _quantile(space[name], point[name]) for name in space} for point in points),
    ]


def _quantile(distribution: Distribution, share: float) -> Any:
    """The value that a `share` in [0, 1] of the distribution lies below; floats are rounded."""
    if distribution.choices is not None:
        last = len(distribution.choices) - 1
        return distribution.choices[min(last, int(share * len(distribution.choices)))]
    low, high = distribution.low, distribution.high
    assert low is not None and high is not None
    if distribution.kind == "integer":
        low, high = int(low), int(high)
        return min(high, low + int(share * (high - low + 1)))
    if distribution.kind == "log_uniform":
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    return min(max(float(f"{value:.{_DIGITS}g}"), low), high)


def _tpe(
    space: Mapping[str, Distribution],
    protocol: StudyRules,
    seed: int,
    direction: Direction,
    history: Sequence[tuple[Flat, float]],
    count: int,
) -> list[Flat]:
    """The next `count` proposals of Optuna's sampler after these trials."""
    import optuna  # takes long to import, and no protocol needs it
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {name: distribution.to_optuna() for name, distribution in space.items()}
    generation = len(history) // protocol.generation
    # Optuna takes 32 bits of seed.
    sampler = optuna.samplers.TPESampler(
        seed=derive(seed, "sampler", generation) % 2**32, **TPE_ARGUMENTS
    )
    study = optuna.create_study(sampler=sampler, direction=direction)
    for params, score in history:
        study.add_trial(create_trial(params=params, distributions=distributions, value=score))
    if not history:
        study.enqueue_trial({name: d.default for name, d in space.items()})
    return [study.ask(distributions).params for _ in range(count)]


def best(scores: Sequence[float], higher_is_better: bool) -> int:
    """The trial that tuning chooses: the best score, the earliest among equals."""
    sign = -1.0 if higher_is_better else 1.0
    return min(range(len(scores)), key=lambda number: (sign * scores[number], number))
