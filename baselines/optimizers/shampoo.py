"""Shampoo: a preconditioner for each axis of a tensor, from the sums of its gradients' products."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.kronecker import LONGEST, along, gram, inverse_root
from .families.matrices import Decoupled, Group, exact

EPS = 1e-4
#: steps between two computations of the roots; the paper has 20 to 100
INTERVAL = 20
#: the first steps at which they are computed as well
EARLY = range(1, 11)


class Shampoo(Decoupled):
    """Gupta et al. 2018, algorithm 2, with momentum.

    For a tensor of order k:  H_i <- H_i + (products of slices of g along axis i), beginning with
    eps I;  u = g multiplied along each axis by H_i^(-1 / 2k);  m <- b m + u;  w <- w - lr m.
    For a matrix:  L <- L + g g',  R <- R + g' g,  u = L^(-1/4) g R^(-1/4).

    Deviates from the paper: roots are computed in each of the first 10 steps, and in every
    20th; axes longer than 1,024 have no preconditioner; a decoupled weight decay.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        steps = []
        for p, momentum in zip(parameters, self.averages("momentum", parameters), strict=True):
            state, g = self.state[p], exact(p.grad)
            g = g.view(1) if g.ndim == 0 else g
            axes = [axis for axis, length in enumerate(g.shape) if length <= LONGEST]
            if "H" not in state:
                eye = [g.new_zeros(g.shape[a], g.shape[a]).fill_diagonal_(EPS) for a in axes]
                state.update(count=0, H=eye, roots=[None] * len(axes))
            u = g
            state["count"] += 1
            due = state["count"] in EARLY or state["count"] % INTERVAL == 0
            for i, axis in enumerate(axes):
                state["H"][i].add_(gram(g, axis))
                if due:
                    state["roots"][i] = inverse_root(state["H"][i], 2 * g.ndim, 0.0)
                u = along(u, state["roots"][i], axis)
            steps.append(momentum.mul_(group["momentum"]).add_(u.view_as(p).to(p.dtype)))
        return steps


optimizer(
    "shampoo",
    Shampoo,
    summary="Gradients multiplied by inverse roots of their summed products along every axis.",
    paper="Gupta et al. 2018, Shampoo: Preconditioned Stochastic Tensor Optimization",
    url="https://arxiv.org/abs/1802.09568",
    search={
        "lr": search.log_uniform(1e-3, 10.0, default=0.03),
        "momentum": search.uniform(0.0, 0.99, default=0.9),
        "weight_decay": search.log_uniform(1e-5, 1.0, default=1e-4),
    },
    claims=[
        Claim(
            says="Shampoo converges considerably faster than Adam.",
            task="digits_batchnorm",
            method="shampoo",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="considerably faster than commonly used optimizers; no number in the abstract",
            place="abstract",
        ),
        Claim(
            says="Shampoo converges considerably faster than SGD with momentum.",
            task="digits_batchnorm",
            method="shampoo",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="considerably faster than commonly used optimizers; no number in the abstract",
            place="abstract",
        ),
    ],
)
