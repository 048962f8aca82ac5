"""Opposing signals: examples whose losses one update moves far, in both directions."""

from __future__ import annotations

import torch

from suite import Probe, diagnostic

#: the share of examples that count as the extreme ones, at each end
EXTREME = 0.05


def opposing_signals(probe: Probe) -> dict[str, float | None]:
    """Mean change of the loss by the last update, and the extremes' share in all changes.

    The extremes are the 5 % of probing examples whose loss rose most and the 5 % whose loss fell
    most; their share is of the sum of absolute changes. 0.1 means that no group stands out.

    Deviates from the paper: at the evaluations, not at the steps at which the loss jumps.
    """
    before = probe.before
    with torch.no_grad():
        after = probe.losses()
        probe.load(before)
        change = (after - probe.losses()).double()
    count = max(1, round(EXTREME * len(change)))
    ordered = change.sort().values
    total = float(change.abs().sum())
    ends = float(ordered[:count].abs().sum() + ordered[-count:].abs().sum())
    return {
        "change": float(change.mean()),
        "rise": float(ordered[-count:].mean()),
        "fall": float(ordered[:count].mean()),
        "extremes": ends / total if total > 0 else None,
    }


diagnostic(
    "opposing_signals",
    opposing_signals,
    paper="Rosenfeld and Risteski 2024, Outliers with Opposing Signals Have an Outsized Effect on "
    "Neural Network Optimization",
    url="https://arxiv.org/abs/2311.04163",
    unit={"change": "loss", "rise": "loss", "fall": "loss", "extremes": "share of changes"},
    cost=0.8,
)
