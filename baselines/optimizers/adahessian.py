"""AdaHessian: Adam whose second moment is that of the Hessian's diagonal."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, optimizer, search

from .families.hutchinson import hessian_diagonal
from .families.tensors import trained

BETA1, BETA2 = 0.9, 0.999


class AdaHessian(Optimizer):
    """Yao et al. 2021, algorithm 1, with the spatial average of equation 10.

    D = z * (H z) with z of random signs; |D| of a filter is averaged over the filter's kernel.
    m <- 0.9 m + 0.1 g and v <- 0.999 v + 0.001 D^2, both corrected for their start at 0;
    w <- w - lr (m / (v^(k/2) + eps) + weight_decay w) with the Hessian power k.

    Deviates from the paper: absolute values are averaged, as in the authors' code, which also has
    versions that average the rows of matrices; this one, as theirs for images, does not. The
    default eps is 1e-2 instead of 1e-4, with which the first few steps diverge on small tasks.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        hessian_power: float,
        eps: float,
    ) -> None:
        groups = {"lr": lr, "weight_decay": weight_decay, "hessian_power": hessian_power}
        super().__init__(params, {**groups, "eps": eps, "decoupled_weight_decay": True})

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 4 per example, one gradient and one product with the Hessian."""
        loss = objective()
        diagonal = hessian_diagonal(objective)
        for p, group, state in trained(self):
            if not state:
                state["step"] = 0
                state["momentum"], state["curvature"] = torch.zeros_like(p), torch.zeros_like(p)
            state["step"] += 1
            estimate = diagonal[p].abs()
            if p.ndim > 2:
                kernel = list(range(2, p.ndim))
                estimate = estimate.mean(kernel, keepdim=True).expand_as(p)
            momentum, curvature = state["momentum"], state["curvature"]
            momentum.lerp_(p.grad, 1 - BETA1)
            curvature.mul_(BETA2).addcmul_(estimate, estimate, value=1 - BETA2)
            mean = momentum / (1 - BETA1 ** state["step"])
            square = curvature / (1 - BETA2 ** state["step"])
            p.mul_(1 - group["lr"] * group["weight_decay"])
            scale = square.pow_(group["hessian_power"] / 2).add_(group["eps"])
            p.sub_(mean / scale, alpha=group["lr"])
        return loss


optimizer(
    "adahessian",
    AdaHessian,
    summary="Adam whose second moment is that of the Hessian's diagonal, averaged over kernels.",
    paper="Yao et al. 2021, ADAHESSIAN: An Adaptive Second Order Optimizer for Machine Learning",
    url="https://arxiv.org/abs/2006.00719",
    search={
        "lr": search.log_uniform(1e-3, 1.0, default=0.15),
        "weight_decay": search.log_uniform(1e-5, 1e-1, default=5e-4),
        "hessian_power": search.uniform(0.5, 1.0, default=1.0),
        "eps": search.log_uniform(1e-5, 1e-1, default=1e-2),
    },
    claims=[
        Claim(
            says="AdaHessian has a higher accuracy than Adam on images.",
            task="cifar10_mini",
            rival="adam",
            measure="score",
            expect="better",
            number="1.80 % and 1.45 % higher accuracy than Adam, ResNet-20 and ResNet-32 "
            "on CIFAR-10",
            place="abstract of the arXiv version",
        ),
        Claim(
            says="AdaHessian has a lower perplexity than AdamW on language.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="better",
            number="2.7 and 1.0 lower perplexity than AdamW, transformers on PTB and WikiText-103",
            place="abstract",
        ),
    ],
)
