"""PerpGrad: gradients do not change the norms of the weights."""

from __future__ import annotations

from torch import nn

from suite import Claim, Regularizer, regularizer, search

from .families.tangent import tangential


class PerpGrad(Regularizer):
    """Prieto et al. 2025, the gradient of each tensor without its part along the weights:

    g <- g - (w . g / w . w) w. With `rescale`, the result then gets the norm of g, as in the
    authors' code. The authors use it without weight decay.

    Deviates from the paper: a tensor of one entry keeps its gradient, since nothing is orthogonal
    to it. `rescale` is not in the paper's equation.
    """

    def __init__(self, rescale: bool) -> None:
        self.rescale = rescale

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        for p in parameters:
            if p.grad is None or p.numel() == 1:
                continue
            found = tangential(p.grad, p)
            if self.rescale:
                found.mul_(p.grad.norm() / (found.norm() + 1e-30))
            p.grad.copy_(found)


regularizer(
    "perp_grad",
    PerpGrad,
    summary="Removes the part of each gradient that only scales the weights.",
    paper="Prieto et al. 2025, Grokking at the Edge of Numerical Stability",
    url="https://arxiv.org/abs/2501.04697",
    search={"rescale": search.choice(True, False, default=True)},
    claims=[
        Claim(
            says="The orthogonal gradient groks modular addition quickly, without weight decay.",
            task="modular_addition",
            method="adamw+perp_grad",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="promotes quick generalization in grokking tasks; 300 epochs with lr 0.01",
            place="abstract and figure 1",
        ),
        Claim(
            says="Tuned AdamW solves modular addition sooner than with the orthogonal gradient.",
            task="modular_addition",
            method="adamw+perp_grad",
            rival="adamw",
            measure="time_to_target",
            expect="worse",
            number="917 epochs with 119 in the lead (one layer, two-hot); all but 1 of 5 settings",
            place="post of 2025-07-21",
            source="Chou 2025, Grokking Baseline Revisited",
        ),
        Claim(
            says="The orthogonal gradient groks a transformer's modular addition sooner.",
            task="modular_addition_transformer",
            method="adamw+perp_grad",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="promotes quick generalization in grokking tasks",
            place="abstract and figure 6",
        ),
    ],
)
