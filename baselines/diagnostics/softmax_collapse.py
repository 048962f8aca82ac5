"""Softmax collapse: examples whose loss is exactly 0, and gradients along the weights."""

from __future__ import annotations

from suite import NotApplicable, Probe, diagnostic

from .families.curvature import weights
from .families.features import compared
from .families.gradients import cosine, gradient


def softmax_collapse(probe: Probe) -> dict[str, float]:
    """Share of examples whose softmax sum is absorbed by the target's term; cos(-g, w).

    Softmax collapse: with logits z and the target c, exp(z_c - z_max) equals the sum of all
    terms in the floating-point type of the run, so that the loss is exactly 0 and has no gradient.
    Naive loss minimization is a gradient along the weights, cosine near 1.
    """
    if probe.loss_name != "cross_entropy":
        raise NotApplicable("the loss of this task is not a cross entropy")
    outputs, targets = compared(probe)
    logits, targets = outputs.flatten(0, -2), targets.flatten()
    terms = (logits - logits.max(-1, keepdim=True).values).exp()
    absorbed = terms.sum(-1) == terms.gather(-1, targets[:, None])[:, 0]
    return {
        "absorbed": float(absorbed.float().mean()),
        "along_weights": float(cosine(-gradient(probe), weights(probe))),
    }


diagnostic(
    "softmax_collapse",
    softmax_collapse,
    paper="Prieto et al. 2025, Grokking at the Edge of Numerical Stability",
    url="https://arxiv.org/abs/2501.04697",
    unit={"absorbed": "share of examples", "along_weights": "cosine"},
    cost=1.4,
)
