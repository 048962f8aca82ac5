"""Negative flips: examples that were right at the evaluation before, and now are wrong."""

from __future__ import annotations

from suite import NotApplicable, Probe, diagnostic

from .families.correct import correct


def negative_flip_rate(probe: Probe) -> float:
    """Share of the probing examples that the model before classified rightly and this one wrongly.

    Deviates from the paper: of training examples, between two evaluations of one run in place of
    two trained models.
    """
    right = correct(probe)
    before = probe.kept.get("right")
    probe.kept["right"] = right
    if before is None:
        raise NotApplicable("there is no model before the first")
    return float((before & ~right).float().mean())


diagnostic(
    "negative_flip_rate",
    negative_flip_rate,
    paper="Schumann et al. 2023, Backward Compatibility During Data Updates by Weight "
    "Interpolation",
    url="https://arxiv.org/abs/2301.10546",
    unit="share of examples",
    cost=0.4,
)
