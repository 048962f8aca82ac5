"""Curvature by products with a matrix: Lanczos, Hutchinson, stochastic Lanczos quadrature.

A product is a function from a vector to a vector; the matrix is symmetric and never formed.
Sources: Golub and Van Loan, Matrix Computations, section 10.1 (Lanczos with full
reorthogonalization); Hutchinson 1990 (trace); Ghorbani, Krishnan and Xiao 2019 (quadrature).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from suite import Probe

Product = Callable[[Tensor], Tensor]

#: products that the largest eigenvalues are found with; each costs 2 gradient evaluations
STEPS = 20
#: what STEPS products and their graph cost
COST = 1.0 + 2.0 * STEPS


def lanczos(product: Product, start: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Diagonal (k,), off-diagonal (k - 1,) and basis (k, size) of a Krylov space, k <= steps.

    Fewer than `steps` if the space is exhausted. Full reorthogonalization, twice.
    """
    basis: list[Tensor] = []
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    vector = start / start.norm()
    for _ in range(min(steps, start.numel())):
        basis.append(vector)
        found = product(vector)
        size = found.norm()
        diagonal.append(vector @ found)
        whole = torch.stack(basis)
        for _ in range(2):
            found = found - whole.T @ (whole @ found)
        rest = found.norm()
        if not rest > 1e-6 * size:
            break
        beside.append(rest)
        vector = found / rest
    k = len(diagonal)
    return torch.stack(diagonal), torch.stack(beside[: k - 1]) if k > 1 else start[:0], whole


def ritz(diagonal: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, rising, and eigenvectors in columns of a tridiagonal matrix."""
    matrix = torch.diag(diagonal.double())
    if len(beside):
        matrix += torch.diag(beside.double(), 1) + torch.diag(beside.double(), -1)
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


def top(product: Product, start: Tensor, steps: int, count: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues, falling, (count,), and their vectors, (count, size)."""
    diagonal, beside, basis = lanczos(product, start, steps)
    values, vectors = ritz(diagonal, beside)
    vectors = vectors.to(basis.dtype).T @ basis
    return values.flip(0)[:count].to(basis.dtype), vectors.flip(0)[:count]


def trace(product: Product, like: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """Hutchinson's estimates of the trace, (samples,): z (A z) with random signs z."""
    found = []
    for _ in range(samples):
        signs = random_signs(like, generator)
        found.append(signs @ product(signs))
    return torch.stack(found)


def quadrature(
    product: Product, like: Tensor, steps: int, samples: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Nodes and weights of the spectrum's density; the weights sum to 1."""
    nodes, weights = [], []
    for _ in range(samples):
        diagonal, beside, _ = lanczos(product, random_signs(like, generator), steps)
        values, vectors = ritz(diagonal, beside)
        nodes.append(values)
        weights.append(vectors[0].square() / samples)
    return torch.cat(nodes), torch.cat(weights)


def random_signs(like: Tensor, generator: torch.Generator) -> Tensor:
    """A vector of 1 and -1."""
    signs = torch.randint(2, like.shape, generator=generator) * 2 - 1
    return signs.to(like.device, like.dtype)


def shared_generator() -> torch.Generator:
    """For what several diagnostics share: it must not depend on which of them asks first."""
    return torch.Generator().manual_seed(20)


def weights(probe: Probe) -> Tensor:
    """The trained parameters, (parameters,)."""
    return probe.flat(dict(probe.parameters))


def top_hessian(probe: Probe, count: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues of the loss's Hessian and their vectors, `count` of them.

    Costs COST, once an evaluation.
    """
    values, vectors = probe.once("top hessian", _top_hessian)
    return values[:count], vectors[:count]


def _top_hessian(probe: Probe) -> tuple[Tensor, Tensor]:
    like = weights(probe)
    start = torch.randn(like.shape, generator=shared_generator()).to(like)
    with probe.hessian() as product:
        return top(product, start, STEPS, STEPS)
