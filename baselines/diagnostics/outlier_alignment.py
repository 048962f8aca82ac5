"""Alignment of update and weights with the outlier eigenspaces of Hessian and gradient matrix."""

from __future__ import annotations

import torch

from suite import NotApplicable, Probe, diagnostic

from .families.curvature import COST, STEPS, top_hessian, weights
from .families.features import entropy_rank
from .families.gradients import example_gradients


def outlier_alignment(probe: Probe) -> dict[str, float | None]:
    """Share of the squared norms of w and of the last update in the top k eigenspaces.

    k is the number of classes. Eigenspaces are of the Hessian, and of the gradient matrix
    E g g^T of 32 single examples, whose effective rank is given too.

    Deviates from the paper: of the whole network, not of each layer; k is at most 10.
    """
    count = min(probe.classes or 1, STEPS // 2)
    _, hessian = top_hessian(probe, count)
    gradients = example_gradients(probe)
    _, values, outliers = torch.linalg.svd(gradients, full_matrices=False)
    rank = int((values > 1e-6 * values[0]).sum())
    outliers = outliers[: min(count, rank)]
    found: dict[str, float | None] = {"rank": entropy_rank(gradients @ gradients.T)}
    vectors = {"weights": weights(probe)}
    try:
        vectors["update"] = probe.flat(probe.update)
    except NotApplicable:  # before training
        found.update(update_in_hessian=None, update_in_gradients=None)
    for name, vector in vectors.items():
        size = float(vector.square().sum())
        for where, space in (("hessian", hessian), ("gradients", outliers)):
            share = float((space @ vector).square().sum()) / size if size > 0 else None
            found[f"{name}_in_{where}"] = share
    return found


diagnostic(
    "outlier_alignment",
    outlier_alignment,
    paper="Ben Arous et al. 2024, High-dimensional SGD aligns with emerging outlier eigenspaces",
    url="https://arxiv.org/abs/2310.03010",
    unit={
        "weights_in_hessian": "share of the squared norm",
        "update_in_hessian": "share of the squared norm",
        "weights_in_gradients": "share of the squared norm",
        "update_in_gradients": "share of the squared norm",
        "rank": "effective rank",
    },
    cost=COST + 3.0,
)
