"""The share of each gradient matrix's energy in its leading singular directions."""

from __future__ import annotations

import torch

from suite import NotApplicable, Probe, diagnostic

from .families.gradients import gradient

#: the rank of the core, as a share of the smaller side
CORE = 0.25


def gradient_energy_core(probe: Probe) -> dict[str, float]:
    """R = ||P_r^T G||_F / ||G||_F, r a quarter of the smaller side: mean over matrices, both ends.

    P_r holds the leading r left singular vectors of the gradient G, so that R is a ratio of
    singular values. Filters are matrices of (outputs, rest).
    """
    found, start = [], 0
    whole = gradient(probe)
    for parameter in probe.parameters.values():
        flat = whole[start : start + parameter.numel()]
        start += parameter.numel()
        if parameter.ndim < 2:
            continue
        values = torch.linalg.svdvals(flat.view(len(parameter), -1)).square()
        rank = max(1, round(CORE * len(values)))
        if values.sum() > 0:
            found.append(float(values[:rank].sum() / values.sum()) ** 0.5)
    if not found:
        raise NotApplicable("no matrix has a gradient")
    return {"mean": sum(found) / len(found), "smallest": min(found), "largest": max(found)}


diagnostic(
    "gradient_energy_core",
    gradient_energy_core,
    paper="Rajabi et al. 2025, Randomized Gradient Subspaces for Efficient Large Language Model "
    "Training",
    url="https://arxiv.org/abs/2510.01878",
    unit=dict.fromkeys(("mean", "smallest", "largest"), "ratio of norms"),
    cost=1,
)
