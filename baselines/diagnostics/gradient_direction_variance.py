"""Gradient direction variance and error: how mini-batch gradients differ in direction."""

from __future__ import annotations

from suite import Probe, diagnostic

from .families.gradients import cosine, gradient, part_gradients


def gradient_direction_variance(probe: Probe) -> dict[str, float]:
    """GDV: mean of (1 - cos(g_i, g_j)) / 2 over pairs of mini-batches; GDE: the same to the whole.

    The paper's two metrics, with eighths of the probing batch as mini-batches and all of it
    in place of the whole data set.
    """
    parts = part_gradients(probe)
    count = len(parts)
    pairs = [(1.0 - float(cosine(parts[i], parts[j]))) / 2 for i in range(count) for j in range(i)]
    error = 1.0 - cosine(parts, gradient(probe).expand_as(parts))
    return {"variance": sum(pairs) / len(pairs), "error": float(error.mean()) / 2}


diagnostic(
    "gradient_direction_variance",
    gradient_direction_variance,
    paper="Liu et al. 2023, Dropout Reduces Underfitting",
    url="https://arxiv.org/abs/2303.01500",
    unit={"variance": "cosine distance / 2", "error": "cosine distance / 2"},
    cost=2,
)
