"""Vectors tangential to the sphere through a weight: what changes its direction, not its norm."""

from __future__ import annotations

import torch
from torch import Tensor


def tangential(vector: Tensor, weight: Tensor) -> Tensor:
    """vector - (vector . weight / weight . weight) weight; the vector itself if the weight is 0."""
    square = weight.square().sum().clamp(min=torch.finfo(weight.dtype).tiny)
    return vector - (vector * weight).sum() / square * weight
