"""AlphaAdam: only the coordinates on which momentum and gradient agree move, and further."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, regularizer, search

SMALL = 1e-12


class AlphaAdam(Regularizer):
    """Chang, Li and Yuan 2025: masked updates with a dynamic strength, around any optimizer.

    With u the update of a tensor and M the mask of coordinates on which u goes against the
    gradient, u <- alpha M u with alpha = min(||u|| / ||M u||, bound): the masked step is as long as
    the whole one.

    Deviates from the paper: the mask compares the update, which has the sign of the momentum under
    Adam, with the gradient; the rule of alpha is not from the paper's text, which could not be
    read, but from its description as a ratio of norms.
    """

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        if not self.objective.called:
            raise NotApplicable("masks compare the step with a gradient: there is none")
        for p, delta in zip(parameters, deltas, strict=True):
            if p.grad is not None:
                length = delta.norm()
                delta.mul_((delta * p.grad < 0).to(delta.dtype))
                alpha = (length / delta.norm().clamp(min=SMALL)).clamp(max=self.bound)
                delta.mul_(torch.where(length > 0, alpha, 1.0))


regularizer(
    "alphaadam",
    AlphaAdam,
    summary="Moves only where momentum and gradient agree, by as long a step.",
    paper="Chang, Li and Yuan 2025, AlphaAdam: Asynchronous Masked Optimization with Dynamic Alpha "
    "for Selective Updates",
    url="https://arxiv.org/abs/2501.18094",
    search={"bound": search.log_uniform(1.0, 10.0, default=2.0)},
    claims=[
        Claim(
            says="AdamW with masked updates converges faster than AdamW in language modelling.",
            task="lm_markov_short",
            method="adamw+alphaadam",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="GPT-2 pre-training, among others: outperforms AdamW in convergence speed; "
            "no number",
            place="abstract",
        ),
        Claim(
            says="AdamW with masked updates converges faster than AdamW in language modelling.",
            task="lm_shakespeare_mini",
            method="adamw+alphaadam",
            rival="adamw",
            measure="score",
            expect="better",
            number="GPT-2 pre-training, among others: outperforms AdamW in convergence speed; "
            "no number",
            place="abstract",
        ),
    ],
)
