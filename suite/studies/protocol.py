"""Protocols: how many replicates, trials and seeds, which sampler. Versioned, as in results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from suite.errors import unknown_name

#: who proposes the configurations: a scrambled Sobol sequence, or Optuna's TPE
Sampler = Literal["sobol", "tpe"]


@dataclass(frozen=True)
class Grid:
    """Trials on a grid instead of a sampler's points: see `suite.studies.sweep`."""

    hyperparameters: tuple[str, ...]
    #: values for each factor of ten
    per_decade: int
    #: a part of the declared range; None for all of it
    bounds: tuple[float, float] | None = None
    #: values of other hyperparameters, instead of their defaults
    fixed: tuple[tuple[str, float | int | str | bool], ...] = ()
    #: whether tuning trials keep all columns of their curves, since claims are read in them
    whole_curves: bool = True


@dataclass(frozen=True)
class StudyRules:
    """The rules of one study.

    A study is repeated: each of its `replicates` tunes anew, with its own seed, sampler and data,
    and evaluates what it chose. `trials` and `seeds` are those of one replicate. `trials` counts
    configurations per method, however many hyperparameters it has: few hyperparameters are an
    advantage for a method. Trial 0 is the declared defaults.
    The sampler gives `generation` configurations at a time; the size is part of the
    protocol, not of the parallelism, so that any number of jobs gives the same result.
    """

    name: str
    version: int
    replicates: int
    trials: int
    seeds: int
    generation: int
    sampler: Sampler = "sobol"
    #: a grid instead of the sampler's points
    swept: Grid | None = None
    budget_fraction: float = 1.0
    ranked: bool = True
    summary: str = ""

    @property
    def runs(self) -> int:
        """Trials of the whole study: tuning and evaluation of all replicates."""
        return self.replicates * (self.trials + self.seeds)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        StudyRules(
            name="smoke",
            version=2,
            replicates=1,
            trials=1,
            seeds=1,
            generation=1,
            budget_fraction=0.05,
            ranked=False,
            summary="does it run: the defaults, one seed, a twentieth of the budget; never ranked",
        ),
        StudyRules(
            name="quick",
            version=2,
            replicates=3,
            trials=6,
            seeds=1,
            generation=6,
            summary="3 replicates of 6 trials and 1 seed: a minute or two for a mini task",
        ),
        StudyRules(
            name="standard",
            version=2,
            replicates=5,
            trials=8,
            seeds=2,
            generation=8,
            summary="5 replicates of 8 trials and 2 seeds: for claims",
        ),
    )
}


def get_protocol(name: str) -> StudyRules:
    """The protocol of that name; raises UsageError with similar names otherwise."""
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
