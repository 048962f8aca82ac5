"""The tangent kernel's drift from initialization, its rank and its alignment with the labels."""

from __future__ import annotations

from suite import Probe, diagnostic

from .families.features import entropy_rank
from .families.kernels import alignment, at_start, cost_of, label_kernel, tangent_kernel

#: of the initial kernel and the present one, at every evaluation
COST = 2 * cost_of()


def ntk_drift(probe: Probe) -> dict[str, float | None]:
    """||K_t - K_0|| / ||K_0||, 1 - cos(K_t, K_0), the kernel's effective rank, label alignment.

    K is the tangent kernel of 16 probing examples, by the gradients of one random combination of
    the outputs of each (the same at every evaluation); the rank is exp of the entropy of its
    eigenvalues' shares. Label alignment is the cosine with the kernel of equal labels, both
    centered, None without classes.

    Deviates from the paper: a sketch of the outputs, not all of them.
    """
    now = tangent_kernel(probe)
    start = at_start(probe, tangent_kernel)
    labels = label_kernel(probe)
    size = float(start.norm())
    return {
        "change": float((now - start).norm()) / size if size else None,
        "distance": 1.0 - alignment(now, start, centered=False),
        "rank": entropy_rank(now),
        "labels": None if labels is None else alignment(now, labels, centered=True),
    }


diagnostic(
    "ntk_drift",
    ntk_drift,
    paper="Jacot, Gabriel and Hongler 2018, Neural Tangent Kernel; Fort et al. 2020, Deep learning "
    "versus kernel learning (kernel distance)",
    url="https://arxiv.org/abs/1806.07572",
    unit={
        "change": "ratio of norms",
        "distance": "1 - cosine",
        "rank": "effective rank",
        "labels": "cosine",
    },
    cost=COST,
)
