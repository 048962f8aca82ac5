"""A gradient evaluation at other weights than the trained ones, which come back to the bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


def evaluate_at(weights: Mapping[nn.Parameter, Tensor], evaluate: Callable[[], Tensor]) -> Tensor:
    """Evaluate with `weights` in the place of those parameters; return the loss there."""
    # Kept, since adding and subtracting a difference would not give the same bits back.
    kept = {p: p.detach().clone() for p in weights}
    _put(weights)
    try:
        return evaluate()
    finally:
        _put(kept)


@torch.no_grad()
def _put(weights: Mapping[nn.Parameter, Tensor]) -> None:
    for p, weight in weights.items():
        p.copy_(weight)
