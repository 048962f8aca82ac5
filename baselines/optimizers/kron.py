"""PSGD Kron: a whitening preconditioner, fitted by gradient descent on a Lie group."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from suite import TaskInfo, optimizer, search

from .families.kronecker import LONGEST, along, gram, unfold
from .families.matrices import Decoupled, Group, exact, finite

BETA = 0.9
#: step of the preconditioner's own descent
RATE = 0.1
#: share of updates after which the factors of a tensor get equal norms
BALANCE = 0.01
#: the largest root mean square of a step
LARGEST = 1.1


def probability(steps: int) -> float:
    """How often the preconditioner is fitted: always for 500 steps, then ever more rarely."""
    return min(1.0, max(0.03, math.exp(-0.001 * (steps - 500))))


class Kron(Decoupled):
    """Li 2018 and 2022, the Kronecker-factored preconditioner P = Q' Q, as in kron_torch.

    m <- b m + (1 - b) g, divided by 1 - b^t. For every axis i of a tensor there is an upper
    triangular Q_i; for vectors and axes longer than 1,024 it is a diagonal. Fitted by

        A = m with Q_i along each axis,  B = normal noise with Q_i^-T along each axis,
        Q_i <- Q_i - 0.1 triu(A A' - B B') Q_i / ||A A' + B B'||      (products of slices)

    u = m with Q_i' Q_i along each axis,  u <- u min(1, 1.1 / rms(u)),
    w <- (1 - lr weight_decay) w - lr u, without the decay for vectors.

    Deviates from the paper: the norm is the lower bound of the author's code; momentum, clipping
    and the rarer fits after 500 steps are those of kron_torch; a rate of 0.01 by default, where
    that has 0.001, for runs of few steps.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, info: TaskInfo
    ) -> None:
        matrices = [p for p in parameters if p.ndim > 1]
        vectors = [p for p in parameters if p.ndim < 2]
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        super().__init__(
            [{**group, "taken": 0, "waited": 0} for group in groups if group["params"]],
            lr=lr,
            weight_decay=weight_decay,
        )
        self._generator = info.generator

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        group["waited"] += 1
        due = group["waited"] >= 1 / probability(group["taken"])
        group["taken"] += 1
        if due:
            group["waited"] = 0
        balanced = due and float(torch.rand((), generator=self._generator)) < BALANCE
        steps = []
        for p, average in zip(
            parameters, self.momentum(parameters, BETA, name="momentum"), strict=True
        ):
            state = self.state[p]
            state["steps"] = state.get("steps", 0) + 1
            m = exact(average) / (1 - BETA ** state["steps"])
            m = m.view(1) if m.ndim == 0 else m
            if "Q" not in state:
                state["Q"] = [_start(m, axis) for axis in range(m.ndim)]
            if balanced:
                _balance(state["Q"])
            if due:
                _fit(state["Q"], m, torch.randn_like(m))
            u = m
            for axis, q in enumerate(state["Q"]):
                u = _times(u, q.conj() * q if q.ndim < 2 else q.mH @ q, axis)
            u.mul_((LARGEST / (u.abs().square().mean().sqrt() + 1e-6)).clamp(max=1))
            steps.append(u.view_as(p).to(p.dtype))
        return steps


def _start(m: Tensor, axis: int) -> Tensor:
    ones = m.new_ones(m.shape[axis])
    return ones if m.ndim < 2 or len(ones) == 1 or len(ones) > LONGEST else torch.diag(ones)


def _times(tensor: Tensor, q: Tensor, axis: int) -> Tensor:
    if q.ndim == 2:
        return along(tensor, q, axis)
    return tensor * q.view(-1, *[1] * (tensor.ndim - 1 - axis))


def _balance(factors: list[Tensor]) -> None:
    """Give all factors the same largest entry; their product stays."""
    largest = torch.stack([q.abs().max() for q in factors])
    mean = largest.log().mean().exp()
    torch._foreach_mul_(factors, list((mean / largest).unbind()))


def _fit(factors: list[Tensor], m: Tensor, noise: Tensor) -> None:
    a, b = m, noise
    for axis, q in enumerate(factors):
        a = _times(a, q, axis)
        if q.ndim < 2:
            b = _times(b, 1 / q, axis)
        else:
            solved = torch.linalg.solve_triangular(q.mH, unfold(b, axis), upper=False)
            b = solved.view(b.movedim(axis, 0).shape).movedim(0, axis)
    for axis, q in enumerate(factors):
        if q.ndim < 2:
            aa, bb = (unfold(x, axis).abs().square().sum(1) for x in (a, b))
            q.sub_(RATE * (aa - bb) * q / ((aa + bb).max() + 1e-30))
        else:
            aa, bb = gram(a, axis), gram(b, axis)
            q.sub_((RATE * (aa - bb)).triu() / (_norm(aa + bb) + 1e-30) @ q)


def _norm(matrix: Tensor) -> Tensor:
    """A lower bound of a symmetric matrix's spectral norm, from its longest column."""
    largest = finite(matrix.abs().max()).clamp(min=1e-30)
    scaled = matrix / largest
    column = scaled[:, scaled.abs().square().sum(0).argmax()]
    x = column.conj() @ scaled
    x = x / (torch.linalg.vector_norm(x) + 1e-30)
    return largest * torch.linalg.vector_norm(x @ scaled.mH)


optimizer(
    "kron",
    Kron,
    summary="Whitens gradients with a Kronecker-factored preconditioner fitted online.",
    paper="Li 2018, Preconditioner on Matrix Lie Group for SGD",
    url="https://arxiv.org/abs/1809.10232",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-2),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=0.1),
    },
)
