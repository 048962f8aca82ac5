"""AdamW: torch's own, fused (on a CPU 3 to 4 times as fast as its loop)."""

from functools import partial

from torch.optim import AdamW

from suite import optimizer, search

optimizer(
    "adamw",
    partial(AdamW, fused=True),
    summary="Adam with decoupled weight decay.",
    paper="Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization",
    url="https://arxiv.org/abs/1711.05101",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
    },
)
