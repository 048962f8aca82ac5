"""Saddle-free Newton: Newton's step with absolute eigenvalues, in a Krylov subspace."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, optimizer, search

Vector = list[Tensor]
#: the dampings that are tried in every step, in units of the largest absolute eigenvalue
DAMPINGS = (1.0, 1e-1, 1e-2, 1e-3)


class SaddleFreeNewton(Optimizer):
    """Dauphin et al. 2014, algorithm 1 with m = 1.

    V holds `dimension` orthonormal Lanczos vectors of the batch's Hessian H, the first of them
    along the gradient g. With V'HV = U diag(e) U', the step is -V (|V'HV| + l I)^-1 V'g, where
    |V'HV| = U diag(|e|) U' and l is the damping, of those tried, with the lowest loss of the batch.

    Deviates from the paper: a few vectors instead of 500, and one step in each subspace instead of
    five, as small budgets want; the subspace has no momentum; the dampings tried are 1 to 0.001
    times the largest |e|; `lr` multiplies the step and is 1 in the paper.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, dimension: int) -> None:
        super().__init__(params, {"lr": lr})
        self._dimension = dimension

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: 1 per example, 2 for each Lanczos vector and 1/3 for each damping."""
        with objective.hessian() as hessian:
            gradients = hessian.gradients
            basis, projected = self._lanczos(hessian, gradients)
            loss = hessian.loss
        if not basis or not torch.isfinite(projected).all():
            return loss  # a minimum, or a trial that has diverged
        values, rotation = torch.linalg.eigh(projected)
        slopes = torch.stack([_dot(v, gradients).double() for v in basis])
        weights = [p.clone() for p in objective.parameters]
        rates = {p: group["lr"] for group in self.param_groups for p in group["params"]}
        best: tuple[float, list[Tensor]] | None = None
        for damping in DAMPINGS:
            scale = values.abs() + damping * values.abs().max() + 1e-30
            along = rotation @ (rotation.T @ slopes / scale)
            for i, (p, w) in enumerate(zip(objective.parameters, weights, strict=True)):
                direction = sum(c * v[i] for c, v in zip(along.to(p.dtype), basis, strict=True))
                p.copy_(w - direction * rates.get(p, 0.0))
            reached = float(objective.loss())
            if best is None or reached < best[0]:
                best = reached, [p.clone() for p in objective.parameters]
        for p, chosen in zip(objective.parameters, best[1], strict=True):
            p.copy_(chosen)
        return loss

    def _lanczos(self, hessian, gradients: Vector) -> tuple[list[Vector], Tensor]:
        """An orthonormal basis of the Krylov space of the gradient, and the Hessian in it."""
        basis: list[Vector] = []
        columns: list[Vector] = []
        vector = [g.clone() for g in gradients]
        smallest = 1e-6 * float(_dot(vector, vector)) ** 0.5
        for _ in range(self._dimension):
            for _ in range(2):  # orthogonal up to rounding only if it is done again
                for other in basis:
                    torch._foreach_sub_(vector, torch._foreach_mul(other, _dot(other, vector)))
            length = float(_dot(vector, vector)) ** 0.5
            if not length > smallest:
                break
            vector = [v / length for v in vector]
            basis.append(vector)
            columns.append(hessian.product(vector))
            vector = [c.clone() for c in columns[-1]]
            smallest = 1e-6 * float(_dot(vector, vector)) ** 0.5
        rows = [torch.stack([_dot(v, c).double() for c in columns]) for v in basis]
        projected = torch.stack(rows) if rows else torch.zeros(0, 0)
        return basis, (projected + projected.T) / 2


def _dot(a: Vector, b: Vector) -> Tensor:
    return torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()


optimizer(
    "saddle_free_newton",
    SaddleFreeNewton,
    summary="Newton's step with the absolute eigenvalues of the Hessian in a Krylov subspace.",
    paper="Dauphin et al. 2014, Identifying and attacking the saddle point problem in "
    "high-dimensional non-convex optimization",
    url="https://arxiv.org/abs/1406.2572",
    search={
        "lr": search.log_uniform(0.03, 1.0, default=1.0),
        "dimension": search.integer(2, 20, default=3),
    },
    claims=[
        Claim(
            says="Saddle-free Newton escapes saddle points that hold gradient descent.",
            task="matrix_sensing",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="rapidly escapes high-dimensional saddle points, unlike gradient descent",
            place="abstract",
        ),
        Claim(
            says="Saddle-free Newton escapes saddle points, unlike quasi-Newton methods.",
            task="digits",
            rival="newton_cg",
            measure="score",
            expect="better",
            number="rapidly escapes high-dimensional saddle points, unlike quasi-Newton methods",
            place="abstract",
        ),
    ],
)
