"""Feature sparsity: the share of activations that are not 0, of units that are not alike."""

from __future__ import annotations

import torch
from torch import Tensor

from suite import Probe, diagnostic

from .families.features import features

#: units whose activations correlate more are one
ALIKE = 0.95


def feature_sparsity(probe: Probe) -> float:
    """Mean share of activations above 0, with units that correlate by more than 0.95 counted once.

    The mean over layers of: distinct units, weighted by how often each is
    active, over all units.

    Deviates from the paper: over all layers, not those at the end of a residual block; the rank of
    the Jacobian, its other measure, is in `ntk_drift`.
    """
    found = []
    for matrix in features(probe).values():
        active = int(matrix.count_nonzero(0)[_distinct(matrix)].sum())
        found.append(active / matrix.numel())
    return sum(found) / len(found)


def _distinct(matrix: Tensor) -> Tensor:
    """Which units, (units,), are like none before them."""
    unit = torch.nn.functional.normalize(matrix - matrix.mean(0), dim=0)
    return ~(unit.T @ unit > ALIKE).triu(1).any(0)


diagnostic(
    "feature_sparsity",
    feature_sparsity,
    paper="Andriushchenko et al. 2023, SGD with Large Step Sizes Learns Sparse Features",
    url="https://arxiv.org/abs/2210.05337",
    unit="share of activations",
    cost=0.4,
)
