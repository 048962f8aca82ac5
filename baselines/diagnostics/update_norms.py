"""Norms of the gradient and of the last update, and the update over the weights."""

from __future__ import annotations

import statistics

from suite import Claim, NotApplicable, Probe, diagnostic

from .families.gradients import cosine, gradient


def update_norms(probe: Probe) -> dict[str, float | None]:
    """||g||, ||u||, the median over matrices of ||u|| / ||w||, and cos(u, -g).

    The rule of thumb is that updates are about a thousandth of the weights; g is the gradient of
    the probing batch after the update, not the one that it was made of.
    """
    found = gradient(probe)
    try:
        update = probe.update
    except NotApplicable:  # before training
        return {"gradient": float(found.norm()), "update": None, "to_weight": None, "cosine": None}
    flat = probe.flat(update)
    sizes = {n: float(p.detach().norm()) for n, p in probe.parameters.items() if p.ndim >= 2}
    ratios = [float(update[name].norm()) / size for name, size in sizes.items() if size > 0]
    return {
        "gradient": float(found.norm()),
        "update": float(flat.norm()),
        "to_weight": statistics.median(ratios) if ratios else None,
        "cosine": float(cosine(flat, -found)),
    }


diagnostic(
    "update_norms",
    update_norms,
    paper="Karpathy, CS231n notes, Neural Networks part 3: ratio of weights to updates",
    url="https://cs231n.github.io/neural-networks-3/#ratio",
    unit={
        "gradient": "norm of the gradient",
        "update": "norm of weights",
        "to_weight": "ratio",
        "cosine": "cosine",
    },
    cost=1,
    claims=[
        Claim(
            says="Updates are about a thousandth of the weights in a training that goes well.",
            task="digits",
            method="adamw",
            measure="diagnostic",
            quantity="update_norms_to_weight",
            expect="equal",
            value=0.001,
            number="somewhere around 1e-3",
            place="section on the ratio of weights to updates",
        ),
        Claim(
            says="Updates are about a thousandth of the weights in a training that goes well.",
            task="modular_addition_short",
            method="adamw",
            measure="diagnostic",
            quantity="update_norms_to_weight",
            expect="equal",
            value=0.001,
            number="somewhere around 1e-3",
            place="section on the ratio of weights to updates",
        ),
    ],
)
