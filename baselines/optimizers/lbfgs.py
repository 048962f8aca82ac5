"""L-BFGS: torch's, with a bounded number of evaluations of a batch in a step."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import LBFGS

from suite import optimizer, search


class BatchLBFGS(LBFGS):
    """Takes no change of the gradient from one batch to another for curvature.

    torch compares the first gradient of a step with the last one of the step before. Here the two
    are made equal: the pair is then left out, as all are whose <s, y> is not above 1e-10.
    """

    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        state, calls = self.state[self.param_groups[0]["params"][0]], 0

        def evaluated() -> Tensor:
            nonlocal calls
            loss = closure()
            calls += 1
            if calls == 1 and "prev_flat_grad" in state:
                state["prev_flat_grad"] = self._gather_flat_grad()
            return loss

        if self.param_groups[0]["lr"] == 0:  # no search can begin there
            return evaluated()
        return super().step(evaluated)


def build(params: list[nn.Parameter], lr: float, iterations: int) -> BatchLBFGS:
    """Liu and Nocedal 1989; Nocedal and Wright 2006, algorithms 7.4 and 7.5.

    A step moves `iterations` times by t d on the loss of one batch. d = -H g, with H the two-loop
    product of the last 10 pairs (s, y) from H = <s, y> / <y, y> I; t satisfies the strong Wolfe
    conditions (1e-4 and 0.9), is found from t = lr on, and costs an evaluation for every t that is
    tried. Both gradients of a pair are of one batch: the last move of a step leaves none. The
    pairs go over from step to step.

    Deviates from the paper: batches; the very first search begins at lr min(1, 1 / ||g||_1), as in
    torch; a schedule changes where a search begins, and little of where it ends; no iteration
    begins after 3 `iterations` evaluations of a step.
    """
    return BatchLBFGS(
        params,
        lr=lr,
        max_iter=iterations,
        max_eval=3 * iterations,
        tolerance_grad=1e-12,
        tolerance_change=1e-12,
        history_size=10,
        line_search_fn="strong_wolfe",
    )


optimizer(
    "lbfgs",
    build,
    summary="Quasi-Newton steps from the last ten changes of the gradient.",
    paper="Liu and Nocedal 1989, On the limited memory BFGS method for large scale optimization",
    url="https://doi.org/10.1007/BF01589116",
    search={
        "lr": search.log_uniform(1e-2, 1.0, default=1.0),
        "iterations": search.integer(2, 10, default=4),
    },
)
