"""Gradients in a subspace: what methods that keep low-rank states share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .matrices import Group, exact, finite, flat

#: the largest growth of a step's length, from Fira
GROWTH = 1.01


def rank_of(matrix: Tensor, fraction: float) -> int:
    """A share of the smaller side, 1 at least."""
    return max(1, math.ceil(fraction * min(matrix.shape)))


def wide(matrix: Tensor) -> Tensor:
    """A matrix with its smaller side first, transposed if it is tall."""
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT


def leading(matrix: Tensor, rank: int) -> Tensor:
    """The leading left singular vectors, each with its largest entry positive.

    Without a rule the signs are those of rounding, and averages kept from one basis to the next
    would depend on them.
    """
    u = torch.linalg.svd(finite(matrix), full_matrices=False).U[:, :rank]
    largest = u.gather(0, u.abs().argmax(0, keepdim=True))
    return u * largest.sgn().conj()


def wide_gradient(p: nn.Parameter) -> Tensor:
    """The gradient as a matrix with its smaller side first, in a type for decompositions."""
    return wide(exact(flat(p.grad)))


def shaped_as(p: nn.Parameter, step: Tensor) -> Tensor:
    """A step of a wide matrix in the shape and type of its parameter."""
    rows, columns = flat(p).shape
    return (step if rows <= columns else step.mT).reshape(p.shape).to(p.dtype)


def limited(state: Group, step: Tensor) -> Tensor:
    """A step that is at most 1 % longer than the one before, whose length the state keeps."""
    length = torch.linalg.vector_norm(step)
    shorter = (GROWTH * state.get("length", length) / (length + 1e-30)).clamp(max=1)
    state["length"] = length * shorter
    return step * shorter
