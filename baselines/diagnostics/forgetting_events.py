"""Forgetting events and negative flips of the probing examples between evaluations."""

from __future__ import annotations

import torch

from suite import Probe, diagnostic

from .families.correct import correct


def forgetting_events(probe: Probe) -> dict[str, float | None]:
    """Mean number of times an example was right and then wrong, share of unforgettable examples.

    An unforgettable example was learned and never forgotten since.

    Deviates from the paper: of the probing examples between the evaluations looked at, not of every
    example between its visits.
    """
    right = correct(probe)
    before = probe.kept.get("right")
    events = probe.kept.setdefault("events", torch.zeros(len(right)))
    learned = probe.kept.setdefault("learned", torch.zeros(len(right), dtype=torch.bool))
    if before is not None:
        events += (before & ~right).float()
    learned |= right
    probe.kept["right"] = right
    return {
        "events": float(events.mean()),
        "unforgettable": float((learned & (events == 0)).float().mean()),
    }


diagnostic(
    "forgetting_events",
    forgetting_events,
    paper="Toneva et al. 2019, An Empirical Study of Example Forgetting during Deep Neural Network "
    "Learning",
    url="https://arxiv.org/abs/1812.05159",
    unit={"events": "events an example", "unforgettable": "share of examples"},
    cost=0.4,
)
