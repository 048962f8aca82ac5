"""Protocols: how many trials, which sampler, how many seeds. Versioned, as results name them."""

from __future__ import annotations

from dataclasses import dataclass

from suite.errors import unknown_name


@dataclass(frozen=True)
class StudyRules:
    """The rules of one study.

    `trials` counts configurations per method, however many hyperparameters it has: few
    hyperparameters are an advantage for a method. Trial 0 is the declared defaults.
    The sampler gives `generation` configurations at a time; the size is part of the
    protocol, not of the parallelism, so that any number of jobs gives the same result.
    """

    name: str
    version: int
    trials: int
    seeds: int
    generation: int
    budget_fraction: float = 1.0
    ranked: bool = True
    summary: str = ""


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        StudyRules(
            name="smoke",
            version=1,
            trials=1,
            seeds=1,
            generation=1,
            budget_fraction=0.05,
            ranked=False,
            summary="does it run: the defaults, one seed, a twentieth of the budget; never ranked",
        ),
        StudyRules(
            name="quick",
            version=1,
            trials=6,
            seeds=3,
            generation=6,
            summary="6 trials, 3 seeds: about a minute for a mini task on two cores",
        ),
        StudyRules(
            name="standard",
            version=1,
            trials=20,
            seeds=5,
            generation=4,
            summary="20 trials in generations of 4, 5 seeds: for claims",
        ),
    )
}


def get_protocol(name: str) -> StudyRules:
    """The protocol of that name; raises UsageError with similar names otherwise."""
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
