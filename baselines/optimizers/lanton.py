"""LANTON: geometry-aware steps, shorter in layers whose gradients are noisier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.matrices import Decoupled, Group, is_matrix
from .families.orthogonal import orthogonalized, rms

BETAS = (0.95, 0.9)
EPS = 1e-12


class LANTON(Decoupled):
    """Hao et al. 2025, algorithm 1, option I.

    m <- b1 m + (1 - b1) g,  H <- b2 H + (1 - b2) ||g - g of the step before||*^2,
    a = alpha / sqrt(alpha^2 + H),  rate = lr sqrt(a / largest a of the group),
    w <- (1 - lr weight_decay) w - rate o, where o and the dual norm ||.||* are, by group,

    hidden matrices:  0.2 sqrt(max(rows, columns)) U V'       sum of singular values
    other matrices:   sign(m)                                 sum of absolute values
    vectors:          m divided by its root mean square       sqrt(size) Euclidean norm

    Deviates from the paper: written after its summaries and reviews, not its text;
    U V' by Newton-Schulz on momentum without Nesterov's form; the sum of singular values of a
    difference d is its product with Newton-Schulz of d; a factor `rest` between the rates of
    hidden matrices and of the other two groups.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        rest: float,
        alpha: float,
        weight_decay: float,
    ) -> None:
        groups: dict[str, list[nn.Parameter]] = {}
        for p in parameters:
            kind = "hidden" if is_matrix(p) else "symbols" if p.ndim > 1 else "vectors"
            groups.setdefault(kind, []).append(p)
        super().__init__(
            [
                {"params": some, "kind": kind, "factor": 1.0 if kind == "hidden" else rest}
                for kind, some in groups.items()
            ],
            lr=lr,
            alpha=alpha,
            weight_decay=weight_decay,
        )

    def directions(self, group: Group, parameters: list[nn.Parameter]) -> list[Tensor]:
        beta1, beta2 = BETAS
        gradients = [p.grad for p in parameters]
        earlier = self.averages("gradient", parameters)
        differences = list(torch._foreach_sub(gradients, earlier))
        noise = []
        for p, d, g, lmo in zip(
            parameters, differences, gradients, best(group["kind"], differences), strict=True
        ):
            state, dual = self.state[p], torch.sum(d.conj() * lmo).real
            if "H" not in state:  # the first step has no difference
                state["H"] = torch.zeros_like(dual)
            else:
                state["H"].lerp_(dual.square(), 1 - beta2)
            state["gradient"].copy_(g)
            noise.append(state["H"])
        shares = group["alpha"] / (group["alpha"] ** 2 + torch.stack(noise)).sqrt()
        factors = (shares / shares.max()).sqrt() * group["factor"]
        steps = best(group["kind"], self.momentum(parameters, beta1, name="momentum"))
        scale = [
            0.2 * max(len(s), s[0].numel()) ** 0.5 if group["kind"] == "hidden" else 1.0
            for s in steps
        ]
        return [s * f * k for s, f, k in zip(steps, factors, scale, strict=True)]


def best(kind: str, tensors: list[Tensor]) -> list[Tensor]:
    """The tensors of norm 1 with the largest product with the given ones."""
    if kind == "hidden":
        return orthogonalized(tensors)
    if kind == "symbols":
        return [t.sgn() for t in tensors]
    return [t / (rms(t) + EPS) for t in tensors]


optimizer(
    "lanton",
    LANTON,
    summary="Muon-like steps whose rate falls in layers with noisy gradients.",
    paper="Hao et al. 2025, Noise-Adaptive Layerwise Learning Rates: Accelerating Geometry-Aware "
    "Optimization for Deep Neural Network Training",
    url="https://arxiv.org/abs/2510.14009",
    search={
        "lr": search.log_uniform(1e-4, 3e-2, default=5e-3),
        "rest": search.log_uniform(0.03, 3.0, default=0.5),
        "alpha": search.log_uniform(1e-4, 10.0, default=0.1),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=0.1),
    },
    claims=[
        Claim(
            says="Rates that follow the noise of each layer make training faster than "
            "rates fixed for a group of layers, such as D-Muon's.",
            task="lm_markov_short",
            method="lanton",
            rival="muon_moonlight",
            measure="time_to_target",
            expect="better",
            number="faster convergence than the best optimizers, LLaMA and GPT; no number "
            "in the abstract",
            place="abstract",
        ),
    ],
)
