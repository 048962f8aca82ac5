"""The Hessian's spectrum: a bulk at 0 and outliers, as many as there are classes."""

from __future__ import annotations

import torch

from suite import Probe, diagnostic

from .families.curvature import COST, quadrature, top_hessian, weights

SAMPLES, STEPS = 2, 20
#: eigenvalues below this share of the largest are the bulk
BULK = 0.05


def hessian_bulk_outliers(probe: Probe) -> dict[str, float]:
    """Number of outliers, the share of the spectrum in the bulk, and the share that is negative.

    Outliers are eigenvalues above a twentieth of the largest. Counted are the Ritz values of 20
    steps of Lanczos, which are never more: all outliers if they are few and apart, as with a class
    each. The shares are of the density by stochastic Lanczos
    quadrature with 2 random vectors of 20 steps; the bulk is |lambda| below that limit, and the
    negative part below minus it.
    """
    values, _ = top_hessian(probe, 20)
    limit = BULK * float(values[0].abs())
    with probe.hessian() as product:
        nodes, mass = quadrature(product, weights(probe), STEPS, SAMPLES, probe.generator)
    zero = torch.zeros((), dtype=mass.dtype)
    return {
        "outliers": float((values > limit).sum()),
        "bulk": float(torch.where(nodes.abs() <= limit, mass, zero).sum()),
        "negative": float(torch.where(nodes < -limit, mass, zero).sum()),
    }


diagnostic(
    "hessian_bulk_outliers",
    hessian_bulk_outliers,
    paper="Sagun et al. 2018, Empirical Analysis of the Hessian of Over-Parametrized Neural "
    "Networks; Ghorbani, Krishnan and Xiao 2019, An Investigation into Neural Net Optimization via "
    "Hessian Eigenvalue Density",
    url="https://arxiv.org/abs/1706.04454",
    unit={
        "outliers": "eigenvalues",
        "bulk": "share of eigenvalues",
        "negative": "share of eigenvalues",
    },
    cost=COST + 1.0 + 2.0 * SAMPLES * STEPS,
)
