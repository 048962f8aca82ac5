"""Preconditioners that are Kronecker products: one factor for each axis of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from .matrices import finite

#: axes longer than this have no factor of their own
LONGEST = 1024


def unfold(tensor: Tensor, axis: int) -> Tensor:
    """A matrix whose rows are the tensor's slices along an axis."""
    return tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1)


def gram(tensor: Tensor, axis: int) -> Tensor:
    """The products of the tensor's slices along an axis: G G' for rows, G' G for columns."""
    unfolded = unfold(tensor, axis)
    return unfolded @ unfolded.mH


def along(tensor: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """The matrix times the tensor along an axis: M G for rows, G M^T for columns."""
    if tensor.ndim == 2:
        return matrix @ tensor if axis == 0 else tensor @ matrix.mT
    return torch.tensordot(matrix, tensor, dims=([1], [axis])).movedim(0, axis)


def inverse_root(matrix: Tensor, order: int, eps: float) -> Tensor:
    """(M^(1/order) + eps I)^-1 of a positive semidefinite matrix.

    Eigenvalues that are rounding errors count as the largest such error.
    """
    values, vectors = torch.linalg.eigh(finite(matrix))
    error = values[-1:] * len(values) * torch.finfo(values.dtype).eps
    powers = 1 / (torch.maximum(values, error) ** (1 / order) + eps)
    return (vectors * powers) @ vectors.mH
