"""Gradient spikes: entries of the gradient that are much larger than they were on average."""

from __future__ import annotations

from suite import NotApplicable, Probe, diagnostic

from .families.gradients import gradient

#: a score above it is a spike
SPIKE = 50.0


def gradient_spike_score(probe: Probe) -> dict[str, float]:
    """GSS = |g_i| / mean over time of |g_i|, the largest; and the share of entries above 50.

    The paper's mean is over all steps up to this one.

    Deviates from the paper: gradients of the probing batch at the evaluations looked at, so that a
    score is at most their number, and 50 is reached only with as many.
    """
    found = gradient(probe).abs()
    total = probe.kept.get("total")
    count = probe.kept.get("count", 0) + 1
    total = found if total is None else total + found
    probe.kept.update(total=total, count=count)
    if count < 2:
        raise NotApplicable("the first gradient has none to compare with")
    mean = total / count
    scores = found[mean > 0] / mean[mean > 0]
    if not len(scores):
        raise NotApplicable("all gradients are 0")
    return {"largest": float(scores.max()), "spikes": float((scores > SPIKE).float().mean())}


diagnostic(
    "gradient_spike_score",
    gradient_spike_score,
    paper="Huang et al. 2025, SPAM: Spike-Aware Adam with Momentum Reset for Stable LLM Training",
    url="https://arxiv.org/abs/2501.06842",
    unit={"largest": "ratio", "spikes": "share of entries"},
    cost=1,
)
