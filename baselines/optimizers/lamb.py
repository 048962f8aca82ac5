"""LAMB: Adam's step, as long as a share of the layer's own norm."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.tensors import evaluated, norm, trained
from .families.trust_ratio import ratio

BETAS = (0.9, 0.999)
EPSILON = 1e-6


class LAMB(Optimizer):
    """You et al. 2020, algorithm 2; a layer is a tensor.

    m and v are Adam's averages with their corrections, u = m / (sqrt(v) + 1e-6) + weight_decay w,
    then w <- w - lr ||w|| / ||u|| u. The ratio is 1 where ||w|| or ||u|| is 0.

    Deviates from the paper: phi, which may bound ||w||, is the identity, as in the paper's
    experiments; the ratio is 1 at 0, as in the authors' code.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        beta1, beta2 = BETAS
        for p, group, state in trained(self):
            if not state:
                state.update(count=0, mean=torch.zeros_like(p), square=torch.zeros_like(p))
            state["count"] += 1
            mean = state["mean"].lerp_(p.grad, 1 - beta1) / (1 - beta1 ** state["count"])
            square = state["square"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
            square = square / (1 - beta2 ** state["count"])
            update = mean.div_(square.sqrt_().add_(EPSILON)).add_(p, alpha=group["weight_decay"])
            p.sub_(update.mul_(group["lr"] * ratio(p, norm([update]), otherwise=1.0)))
        return loss


optimizer(
    "lamb",
    LAMB,
    summary="Adam whose step in a layer is as long as a share of the layer's norm.",
    paper="You et al. 2020, Large Batch Optimization for Deep Learning",
    url="https://arxiv.org/abs/1904.00962",
    search={
        "lr": search.log_uniform(1e-4, 0.1, default=1e-2),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
    },
    claims=[
        Claim(
            says="LAMB trains attention models such as BERT, on which LARS performs poorly.",
            task="lm_markov",
            rival="lars",
            measure="score",
            expect="better",
            number="BERT at batches of 32,868 without loss; LARS performs poorly on "
            "attention models",
            place="abstract",
        ),
        Claim(
            says="At large batches LAMB is better than AdamW.",
            task="large_batch_mini",
            rival="adamw",
            measure="score",
            expect="better",
            number="BERT; batches of up to 32,868 without loss for LAMB",
            place="the paper",
            from_memory=True,
        ),
    ],
)
