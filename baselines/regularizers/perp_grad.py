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
            says="Where there is no weight decay, the orthogonal gradient groks modular addition "
            "sooner.",
            task="modular_addition",
            method="adam+perp_grad",
            rival="adam",
            measure="time_to_target",
            expect="better",
            number="no number in the abstract: quick generalization in grokking tasks; the script "
            "for figure 1: addition mod 113 in 300 epochs, lr 0.01, no weight decay",
            place="abstract and run_main_experiments.sh of the authors' code",
        ),
        Claim(
            says="AdamW with tuned weight decay solves modular addition sooner than the "
            "orthogonal gradient without.",
            task="modular_addition",
            method="adam+perp_grad",
            rival="adamw",
            measure="time_to_target",
            expect="worse",
            number="mod 113, first epoch of 100 %, AdamW's lead: 119, -19 and unknown for 1, 2 and "
            "3 layers on 2-hot inputs; 140, 87 and more than 254 with embeddings",
            place="table of the post of 2025-07-21",
            source="Chou 2025, Grokking Baseline Revisited",
        ),
        Claim(
            says="The orthogonal gradient groks a transformer's modular addition sooner where "
            "there is no weight decay.",
            task="modular_addition_transformer",
            method="adam+perp_grad",
            rival="adam",
            measure="time_to_target",
            expect="better",
            number="no number in the abstract: quick generalization in grokking tasks; the script "
            "for figure 6: a transformer, addition mod 113, 5,000 epochs, lr 0.001",
            place="abstract and run_main_experiments.sh of the authors' code",
        ),
    ],
)
