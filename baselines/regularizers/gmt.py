"""GMT: only the largest entries of the gradient are used in a step."""

from __future__ import annotations

import torch
from torch import nn

from suite import Regularizer, regularizer, search


class GMT(Regularizer):
    """Li et al. 2024, gradient-mask tuning: of |g| the largest share `keep` stays, the rest is 0.

    The threshold is that of each tensor (`of="tensor"`), or of all of them together (`of="all"`).
    Vectors are masked, too. The paper's accumulated gradient is that of the batch here.

    Deviates from the paper: nothing that is known; only the abstract and a summary could be read,
    which do not say over which entries the threshold is taken: hence `of`.
    """

    def __init__(self, keep: float, of: str) -> None:
        self.keep = keep
        self.of = of

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        groups = [[g] for g in gradients] if self.of == "tensor" else [gradients]
        for some in filter(None, groups):
            sizes = torch.cat([g.flatten() for g in some]).abs()
            kept = max(1, round(self.keep * len(sizes)))
            least = sizes.kthvalue(len(sizes) - kept + 1).values
            for g in some:
                g.mul_(g.abs() >= least)


regularizer(
    "gmt",
    GMT,
    summary="Uses only the largest entries of each gradient.",
    paper="Li et al. 2024, Gradient-Mask Tuning Elevates the Upper Limits of LLM Performance",
    url="https://arxiv.org/abs/2406.15330",
    search={
        "keep": search.uniform(0.05, 1.0, default=0.5),
        "of": search.choice("tensor", "all", default="tensor"),
    },
)
