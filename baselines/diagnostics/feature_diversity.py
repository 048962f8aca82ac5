"""Feature diversity: how alike the features of different examples are."""

from __future__ import annotations

import torch

from suite import NotApplicable, Probe, diagnostic

from .families.features import features


def feature_diversity(probe: Probe) -> dict[str, float]:
    """Mean cosine between the features of two examples: the mean over layers, and the last layer's.

    Of all pairs of different rows. It is near 1 in the paper's first phase, in which the loss stays
    on a plateau. A row of zeros has the cosine 0 with every other.
    """
    found = []
    for matrix in features(probe).values():
        if len(matrix) < 2:
            raise NotApplicable("the probing batch has one example")
        unit = torch.nn.functional.normalize(matrix.double(), dim=1)
        count = len(unit)
        # The sum over all pairs is the squared norm of the sum.
        pairs = unit.sum(0).square().sum() - unit.square().sum()
        found.append(float(pairs) / (count * (count - 1)))
    return {"mean": sum(found) / len(found), "last": found[-1]}


diagnostic(
    "feature_diversity",
    feature_diversity,
    paper="Liu et al. 2021, Trap of Feature Diversity in the Learning of MLPs",
    url="https://arxiv.org/abs/2112.00980",
    unit={"mean": "cosine", "last": "cosine"},
    cost=0.4,
)
