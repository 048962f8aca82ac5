"""Cautious: a step's coordinates that point up the gradient are left out."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, regularizer


class Cautious(Regularizer):
    """Liang et al. 2024, algorithm 1, around any optimizer.

    With u the optimizer's update and g the gradient, u is multiplied by the mask u g > 0 and, so
    that its length is about the same, by d / (number of ones + 1) for the d entries of a tensor.

    Deviates from the paper: nothing, if the optimizer's groups say `decoupled_weight_decay`. Other
    optimizers' decay is part of what is masked. The scale is that of the authors' Lion; their AdamW
    divides by the mean of the mask, at least 1e-3.
    """

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        if not self.objective.called:
            raise NotApplicable("cautious updates compare the step with a gradient: there is none")
        for p, delta in zip(parameters, deltas, strict=True):
            if p.grad is not None:
                mask = (delta * p.grad < 0).to(delta.dtype)
                delta.mul_(mask).mul_(mask.numel() / (mask.sum() + 1))


regularizer(
    "cautious",
    Cautious,
    summary="Leaves out the coordinates of a step that point up the gradient.",
    paper="Liang et al. 2024, Cautious Optimizers: Improving Training with One Line of Code",
    url="https://arxiv.org/abs/2411.16085",
    claims=[
        Claim(
            says="Updates that agree with the gradient reach the same loss sooner.",
            task="lm_markov",
            rival="adamw",
            measure="time_to_target",
            expect="lower",
            number="speed-up of up to 1.47 times in pretraining of Llama and MAE",
            place="abstract",
        ),
        Claim(
            says="Lion gains from it, too.",
            task="lm_markov",
            method="lion+cautious",
            rival="lion",
            measure="score",
            expect="lower",
            number="consistent speed-up of C-AdamW and C-Lion; up to 1.47 times",
            place="abstract",
        ),
    ],
)
