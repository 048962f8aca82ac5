"""The loss along filter-normalized random directions: sharpness that scaling does not change."""

from __future__ import annotations

from suite import Claim, Probe, diagnostic

from .families.directions import filter_normalized, losses_along

DIRECTIONS = 3
#: how far along a direction, in norms of the filters
NEAR, FAR = 0.1, 1.0


def filter_norm_landscape(probe: Probe) -> dict[str, float]:
    """Rise of the loss at distance 1, and curvature at 0.1, along 3 random directions.

    The rise is the mean of (L(w + d) + L(w - d)) / 2 - L(w); the curvature the second difference
    at +-0.1. Directions have filters of the norms of the weights' own.

    Deviates from the paper: numbers along lines, not a picture of a plane.
    """
    rises, curvatures = [], []
    for _ in range(DIRECTIONS):
        direction = filter_normalized(probe)
        low, here, high = losses_along(probe, direction, (-NEAR, 0.0, NEAR))
        down, up = losses_along(probe, direction, (-FAR, FAR))
        rises.append((down + up) / 2 - here)
        curvatures.append((low + high - 2 * here) / NEAR**2)
    return {"rise": sum(rises) / DIRECTIONS, "curvature": sum(curvatures) / DIRECTIONS}


diagnostic(
    "filter_norm_landscape",
    filter_norm_landscape,
    paper="Li et al. 2018, Visualizing the Loss Landscape of Neural Nets",
    url="https://arxiv.org/abs/1712.09913",
    unit={"rise": "loss", "curvature": "loss / (norm of filters)^2"},
    cost=5 * DIRECTIONS * 0.4,
    claims=[
        Claim(
            says="Minima that are flat along filter-normalized directions generalize better.",
            task="digits",
            measure="correlation",
            quantity="filter_norm_landscape_curvature, score",
            expect="lower",
            value=0.0,
            number="sharpness of the filter-normalized plots correlates well with generalization "
            "error",
            place="section 5",
        ),
        Claim(
            says="Minima that are flat along filter-normalized directions generalize better.",
            task="noisy_labels_short",
            measure="correlation",
            quantity="filter_norm_landscape_curvature, score",
            expect="lower",
            value=0.0,
            number="sharpness of the filter-normalized plots correlates well with generalization "
            "error",
            place="section 5",
        ),
    ],
)
