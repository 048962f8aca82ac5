"""LAMB: Adam's step, as long as a share of the layer's own norm."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, optimizer, search

from .families.few_passes import adam_step, average_of_squares
from .families.moments import average
from .families.tensors import evaluated, trained
from .families.trust_ratio import length_of, ratio

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
        for p, group, state in trained(self):
            state["count"] = state.get("count", 0) + 1
            mean = average(state, "mean", p.grad, BETAS[0])
            square = average_of_squares(state, "square", p.grad, BETAS[1])
            update = adam_step(mean, square, BETAS, EPSILON, state["count"])
            update.add_(p, alpha=group["weight_decay"])
            share = ratio(length_of(p), length_of(update), otherwise=1.0)
            p.addcmul_(update, share.to(p.dtype), value=-group["lr"])
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
            task="lm_markov_short",
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
