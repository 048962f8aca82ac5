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
        kept = _distinct(matrix.double())
        active = (matrix[:, kept].abs() > 0).double().mean(0)
        found.append(float(active.sum()) / matrix.shape[1])
    return sum(found) / len(found)


def _distinct(matrix: Tensor) -> list[int]:
    """The first unit of each group of units that are alike."""
    centered = matrix - matrix.mean(0)
    unit = torch.nn.functional.normalize(centered, dim=0)
    alike = (unit.T @ unit > ALIKE).tolist()
    kept: list[int] = []
    for number, row in enumerate(alike):
        if not any(row[other] for other in kept):
            kept.append(number)
    return kept


diagnostic(
    "feature_sparsity",
    feature_sparsity,
    paper="Andriushchenko et al. 2023, SGD with Large Step Sizes Learns Sparse Features",
    url="https://arxiv.org/abs/2210.05337",
    unit="share of activations",
    cost=0.4,
)
