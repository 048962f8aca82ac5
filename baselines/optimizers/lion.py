"""Lion: pytorch-optimizer's, with every hyperparameter given: its defaults may change."""

from functools import partial

from pytorch_optimizer import Lion

from suite import optimizer, search

optimizer(
    "lion",
    partial(
        Lion,
        betas=(0.9, 0.99),
        weight_decouple=True,
        fixed_decay=False,
        foreach=True,
        maximize=False,
    ),
    summary="The sign of an interpolation of gradient and momentum, with decoupled weight decay.",
    paper="Chen et al. 2023, Symbolic Discovery of Optimization Algorithms",
    url="https://arxiv.org/abs/2302.06675",
    search={
        "lr": search.log_uniform(1e-5, 1e-2, default=3e-4),
        "weight_decay": search.log_uniform(1e-2, 30.0, default=1.0),
    },
)
