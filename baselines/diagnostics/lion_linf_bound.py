"""The largest weight against the box that decoupled weight decay makes of sign updates."""

from __future__ import annotations

from suite import NotApplicable, Probe, diagnostic

from .families.curvature import weights


def lion_linf_bound(probe: Probe) -> dict[str, float | None]:
    """max |w|, and times the weight decay: at most 1 once Lion is in its box |w| <= 1 / decay.

    The paper's constraint, |x| <= 1 / lambda. The product is None without weight decay.
    """
    largest = float(weights(probe).abs().max())
    try:
        decay = probe.setting("weight_decay")
    except NotApplicable:
        decay = 0.0
    return {"largest": largest, "in_box": largest * decay if decay else None}


diagnostic(
    "lion_linf_bound",
    lion_linf_bound,
    paper="Chen et al. 2023, Lion Secretly Solves Constrained Optimization: As Lyapunov Predicts",
    url="https://arxiv.org/abs/2310.05898",
    unit={"largest": "weight", "in_box": "ratio to 1 / weight decay"},
    cost=0,
)
