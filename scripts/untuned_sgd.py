"""The 0 of every task's scale: SGD with torch's defaults, nothing tuned."""

from torch.optim import SGD

from suite import optimizer

optimizer(
    "untuned_sgd",
    SGD,
    summary="torch.optim.SGD with torch's own defaults: learning rate 1e-3, no momentum.",
    paper="Robbins and Monro 1951, A Stochastic Approximation Method",
    url="https://doi.org/10.1214/aoms/1177729586",
)
