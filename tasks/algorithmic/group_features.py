"""What a hidden node has learned of a group: its weights, split into the group's frequencies.

On a cyclic group these are the Fourier frequencies. In general they are the isotypic components of
the functions on the group, one for each irreducible representation over the real numbers (which
joins a complex one with its conjugate). Tian 2024, "Composing Global Optimizers to Reasoning Tasks
via Algebraic Objects in Neural Nets", and Tian 2025, "Provable Scaling Laws of Feature Emergence
from Learning Dynamics of Grokking", read the features of grokked networks this way.
"""

from __future__ import annotations

import torch
from torch import Tensor


def isotypic_projections(table: Tensor) -> Tensor:
    """Orthogonal projections (components, n, n) on functions of a group, the constants first.

    `table` is the group's table (n, n). The class sums act as commuting matrices on the functions;
    the eigenspaces of a generic symmetric combination of them are the isotypic components.
    """
    n = len(table)
    inverse = (table == identity(table)).int().argmax(1)
    # the class of g: the smallest h g h^-1; joined with the class of its inverse, for symmetry
    kind = table[table, inverse.unsqueeze(1).expand(-1, n)].amin(0)
    kind = torch.minimum(kind, kind[inverse])
    weights = torch.sin(1.0 + kind.double() ** 2)  # one number per class, all different
    operator = torch.zeros(n, n, dtype=torch.float64)
    for g in range(n):
        operator[table[g], torch.arange(n)] += weights[g]
    values, vectors = torch.linalg.eigh(operator)
    groups = torch.cat((torch.tensor([0]), (values.diff() > 1e-8 * n).long().cumsum(0)))
    parts = [vectors[:, groups == i] for i in range(int(groups[-1]) + 1)]
    projections = torch.stack([part @ part.T for part in parts])
    constants = torch.full((n, n), 1 / n, dtype=torch.float64)
    order = (projections - constants).abs().amax((1, 2)).argsort()
    return projections[order].float()


def identity(table: Tensor) -> int:
    """The number of the neutral element."""
    return int((table == torch.arange(len(table))).all(1).nonzero())


def feature_metrics(weights: Tensor, projections: Tensor) -> dict[str, float]:
    """Metrics of first-layer weights (nodes, n), each a function on the group without its mean.

    `feature_purity`: the share of a node's energy in its strongest component, mean over nodes
    weighted by energy; 1 if every node has one frequency.
    `feature_diversity`: over how many of the non-constant components the energy of all nodes is
    distributed, as the exponential of its entropy divided by their number; 1 if evenly.
    """
    energy = torch.einsum("kn,cnm,km->kc", weights, projections[1:], weights).clamp(min=0)
    total = energy.sum().clamp(min=1e-30)
    share = energy.sum(0) / total
    entropy = torch.special.entr(share).sum()
    return {
        "feature_purity": float(energy.amax(1).sum() / total),
        "feature_diversity": float(entropy.exp() / len(share)),
    }
