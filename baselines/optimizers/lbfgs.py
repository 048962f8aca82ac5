"""L-BFGS: torch's, with a bounded number of evaluations of a batch in a step."""

from torch import nn
from torch.optim import LBFGS

from suite import optimizer, search


def build(params: list[nn.Parameter], lr: float, iterations: int) -> LBFGS:
    """Liu and Nocedal 1989; Nocedal and Wright 2006, algorithms 7.4 and 7.5.

    A step takes `iterations` times d = -H g and w <- w + lr d on the loss of one batch, with H the
    two-loop product of the last 10 pairs (s, y) from H = <s, y> / <y, y> I; each iteration is one
    evaluation. Pairs with <s, y> of at most 1e-10 are left out. The pairs go over from step to
    step, so that one y of each step is a difference between two batches.

    Deviates from the paper: batches, and a rate instead of a line search; the very first step has
    the rate lr min(1, 1 / ||g||_1).
    """
    return LBFGS(
        params,
        lr=lr,
        max_iter=iterations,
        max_eval=iterations + 1,  # is looked at before the last iteration
        tolerance_grad=1e-12,
        tolerance_change=1e-12,
        history_size=10,
        line_search_fn=None,
    )


optimizer(
    "lbfgs",
    build,
    summary="Quasi-Newton steps from the last ten changes of the gradient.",
    paper="Liu and Nocedal 1989, On the limited memory BFGS method for large scale optimization",
    url="https://doi.org/10.1007/BF01589116",
    search={
        "lr": search.log_uniform(1e-3, 1.0, default=0.1),
        "iterations": search.integer(1, 10, default=4),
    },
)
