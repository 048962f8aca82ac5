"""Exponentiated gradient: weights are multiplied, and keep their signs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.tensors import evaluated, trained


class MirrorDescent(Optimizer):
    """Pogodin et al. 2024, mirror descent: the potential's gradient at w moves by -lr g.

    Of the negative entropy, the sum of |w| log |w| - |w|: w <- w exp(-lr sign(w) g).
    Of the 3-norm, the sum of |w|^3 / 3: z = w |w| - lr g, then w <- sign(z) sqrt(|z|).
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        for p, group, _ in trained(self):
            if group["potential"] == "entropy":
                p.mul_(torch.exp(-group["lr"] * p.sign() * p.grad))
            elif group["potential"] == "3-norm":
                dual = (p * p.abs()).sub_(p.grad, alpha=group["lr"])
                p.copy_(dual.sign() * dual.abs().sqrt())
            else:
                p.sub_(p.grad, alpha=group["lr"])
        return loss


def build(params: list[nn.Parameter], lr: float, bias_lr: float, potential: str) -> MirrorDescent:
    """Exponentiated gradient for matrices, embeddings and filters, gradient descent for the rest.

    Deviates from the paper: norms' scales count as biases. A weight that is exactly 0 stays there
    under the entropy.
    """
    weights = [p for p in params if p.ndim > 1]
    others = [p for p in params if p.ndim < 2]
    groups = [
        {"params": weights, "lr": lr, "potential": potential},
        {"params": others, "lr": bias_lr, "potential": "2-norm"},
    ]
    return MirrorDescent([group for group in groups if group["params"]], {})


optimizer(
    "exp_gradient",
    build,
    summary="Multiplicative steps, the mirror descent of the entropy.",
    paper="Pogodin et al. 2024, Synaptic Weight Distributions Depend on the Geometry of Plasticity",
    url="https://arxiv.org/abs/2305.19394",
    search={
        "lr": search.log_uniform(1e-3, 100.0, default=1.0),
        "bias_lr": search.log_uniform(1e-3, 1.0, default=0.1),
        "potential": search.choice("entropy", "3-norm", default="entropy"),
    },
    claims=[
        Claim(
            says="Exponentiated gradient learns better than gradient descent where few "
            "of the inputs matter.",
            task="sparse_parity",
            rival="sgd",
            measure="time_to_target",
            expect="better",
            number="outperforms gradient descent in learning from sparsely relevant "
            "signals; no number in the abstract",
            place="abstract",
            source="Cornford et al. 2024, Brain-like learning with exponentiated "
            "gradients, bioRxiv 2024.10.25.620272",
        ),
        Claim(
            says="Exponentiated gradient learns better than gradient descent from "
            "signals of which few are relevant.",
            task="diagonal_linear_net",
            rival="sgd",
            measure="score",
            expect="better",
            number="outperforms gradient descent in learning from sparsely relevant "
            "signals; no number in the abstract",
            place="abstract",
            source="Cornford et al. 2024, Brain-like learning with exponentiated "
            "gradients, bioRxiv 2024.10.25.620272",
        ),
    ],
)
