"""Distance from initialization: how far the weights have moved."""

from __future__ import annotations

from suite import Probe, diagnostic


def distance_from_init(probe: Probe) -> dict[str, float]:
    """Euclidean distance of all weights to their initial values, whole and relative to them.

    ||w_t - w_0||, and the same over ||w_0||.
    """
    initial = probe.flat(probe.initial)
    distance = float((probe.flat(dict(probe.parameters)) - initial).norm())
    return {"whole": distance, "relative": distance / float(initial.norm())}


diagnostic(
    "distance_from_init",
    distance_from_init,
    paper="Hoffer, Hubara and Soudry 2017, Train longer, generalize better",
    url="https://arxiv.org/abs/1705.08741",
    unit={"whole": "norm of weights", "relative": "ratio"},
    cost=0,
)
