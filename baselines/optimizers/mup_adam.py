"""Adam in the maximal update parametrization: learning rates that do not change with the width."""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import nn
from torch.optim import Adam

from suite import optimizer, search

from .families.fused import fastest

#: inputs of a layer whose rate is `lr`
BASE_WIDTH = 128


def mup_adam(params: list[nn.Parameter], lr: float) -> Adam:
    """Yang and Littwin 2023; the table for Adam of Yang et al. 2021, Tensor Programs V.

    A matrix with n inputs of the network's width, hidden or head, has the rate lr * 128 / n; the
    first layer, embeddings and vectors have lr. The head's first weights are multiplied by
    sqrt(128 / n), which makes their variance 1 / n^2 where it was 1 / n; that of hidden matrices is
    in proportion to 1 / n already. At a width of 128 this is Adam.

    Deviates from the paper: the head's output has no multiplier of 1 / n; its smaller rate and
    weights are the same function. Attention keeps 1 / sqrt(d), since the width of heads is no
    size here; epsilon is not scaled.
    """
    groups: dict[float, list[nn.Parameter]] = defaultdict(list)
    for p in params:
        scaled = p.role in ("hidden", "head", "conv") and p.depth > 0  # type: ignore[attr-defined]
        share = BASE_WIDTH / p[0].numel() if scaled else 1.0
        groups[lr * share].append(p)
        if scaled and p.role == "head":  # type: ignore[attr-defined]
            with torch.no_grad():
                p.mul_(math.sqrt(share))
    listed = [{"params": some, "lr": rate} for rate, some in groups.items()]
    return Adam(listed, lr=lr, betas=(0.9, 0.999), eps=1e-8, **fastest(params))


optimizer(
    "mup_adam",
    mup_adam,
    summary="Adam with smaller rates and a smaller head in wider layers, so that rates transfer.",
    paper="Yang and Littwin 2023, Tensor Programs IVb: Adaptive Optimization in the Infinite-Width "
    "Limit",
    url="https://arxiv.org/abs/2308.01814",
    search={"lr": search.log_uniform(1e-4, 1e-1, default=1e-3)},
)
