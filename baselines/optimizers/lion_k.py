"""Lion-K: Lion with the subgradient of another convex function in the place of the sign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor, nn

from suite import optimizer, search

from .families.sign import Direction, Interpolated, signs, unit

#: the e of the truncated and of the Huber function, in units of a gradient
THRESHOLD = 1e-3


def truncated(mixed: Iterable[Tensor]) -> Iterator[Tensor]:
    """The subgradient of the sum of max(|u| - e, 0): small entries do not move."""
    return (u.sign() * (u.abs() > THRESHOLD).to(u.dtype) for u in mixed)


def huber(mixed: Iterable[Tensor]) -> Iterator[Tensor]:
    """The gradient of Huber's function divided by e: a sign that is linear between -e and e."""
    return ((u / THRESHOLD).clamp(-1, 1) for u in mixed)


KAPPAS: dict[str, Direction] = {"l1": signs, "l2": unit, "truncated": truncated, "huber": huber}


def build(params: list[nn.Parameter], lr: float, weight_decay: float, kappa: str) -> Interpolated:
    """Chen et al. 2024, Lion-K with Lion's betas and functions kappa of the paper's table.

    u = 0.9 m + 0.1 g, w <- w - lr (grad kappa(u) + weight_decay w), m <- 0.99 m + 0.01 g. For
    kappa = l1 this is Lion; l2 is that of all weights as one vector. It minimizes
    f(w) + kappa*(weight_decay w) / weight_decay with the conjugate kappa*: under l1, f on the box
    |w| <= 1 / weight_decay.

    Deviates from the paper: e of the truncated and of the Huber function is 1e-3; other functions
    of the table are left out.
    """
    return Interpolated(params, lr, (0.9, 0.99), KAPPAS[kappa], weight_decay)


optimizer(
    "lion_k",
    build,
    summary="Lion with the gradient of Huber's or another convex function instead of the sign.",
    paper="Chen et al. 2024, Lion Secretly Solves Constrained Optimization: As Lyapunov Predicts",
    url="https://arxiv.org/abs/2310.05898",
    search={
        "lr": search.log_uniform(1e-5, 1.0, default=1e-3),
        "weight_decay": search.log_uniform(1e-2, 30.0, default=1.0),
        "kappa": search.choice("l1", "l2", "truncated", "huber", default="huber"),
    },
)
