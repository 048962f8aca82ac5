"""The roughness index of the loss along random lines."""

from __future__ import annotations

import itertools
import statistics

from suite import NotApplicable, Probe, diagnostic

from .families.directions import filter_normalized, losses_along

LINES, POINTS = 5, 11


def roughness_index(probe: Probe) -> float:
    """RI = std / mean over lines of the total variation of the loss over its range.

    Five random lines through the weights, 11 points from -1 to 1 on each. A monotone projection has
    a variation of 1, a symmetric valley of 2.

    Deviates from the paper: directions are normalized by filters, as its interval has no scale that
    fits all models.
    """
    found = []
    for _ in range(LINES):
        distances = [2.0 * i / (POINTS - 1) - 1.0 for i in range(POINTS)]
        values = losses_along(probe, filter_normalized(probe), distances)
        spread = max(values) - min(values)
        if spread > 0:
            steps = itertools.pairwise(values)
            found.append(sum(abs(after - before) for before, after in steps) / spread)
    if len(found) < 2:
        raise NotApplicable("the loss does not change along random lines")
    return statistics.stdev(found) / statistics.fmean(found)


diagnostic(
    "roughness_index",
    roughness_index,
    paper="Wu et al. 2021, Roughness Index for Loss Landscapes of Neural Network Models of Partial "
    "Differential Equations",
    url="https://arxiv.org/abs/2103.11069",
    unit="ratio",
    cost=LINES * POINTS * 0.4,
)
