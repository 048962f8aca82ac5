"""Cautious: a step's coordinates that point up the gradient are left out."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, regularizer, search


class Cautious(Regularizer):
    """Liang et al. 2024, algorithm 1, around any optimizer.

    With u the optimizer's update and g the gradient, u is multiplied by the mask u g > 0 and, so
    that its length is about the same, by a factor: d / (number of ones + 1) for the d entries of a
    tensor (`scale="count"`, the paper's algorithm and the authors' Lion), or 1 / the mean of the
    mask, at most 1000 (`scale="mean"`, the authors' AdamW and Muon).

    Deviates from the paper: nothing, if the optimizer's groups say `decoupled_weight_decay`. Other
    optimizers' decay is part of what is masked. The authors' AdamW masks the momentum, which has
    the signs of its update.
    """

    def __init__(self, scale: str = "count") -> None:
        self.scale = scale

    def update(self, parameters: list[nn.Parameter], deltas: list[Tensor]) -> None:
        if not self.objective.called:
            raise NotApplicable("cautious updates compare the step with a gradient: there is none")
        for p, delta in zip(parameters, deltas, strict=True):
            if p.grad is None:
                continue
            mask = (delta * p.grad < 0).to(delta.dtype)
            if self.scale == "count":
                delta.mul_(mask).mul_(mask.numel() / (mask.sum() + 1))
            else:
                delta.mul_(mask).div_(mask.mean().clamp(min=1e-3))


regularizer(
    "cautious",
    Cautious,
    summary="Leaves out the coordinates of a step that point up the gradient.",
    paper="Liang et al. 2024, Cautious Optimizers: Improving Training with One Line of Code",
    url="https://arxiv.org/abs/2411.16085",
    search={"scale": search.choice("count", "mean", default="count")},
    claims=[
        Claim(
            says="Cautious AdamW trains language models faster than AdamW.",
            task="lm_shakespeare_mini",
            method="adamw+cautious",
            rival="adamw",
            measure="score",
            expect="better",
            number="consistent speed-up; up to 1.47 times on Llama and MAE pretraining in "
            "version 1",
            place="abstract",
        ),
        Claim(
            says="Cautious Lion trains language models faster than Lion.",
            task="lm_shakespeare_mini",
            method="lion+cautious",
            rival="lion",
            measure="score",
            expect="better",
            number="consistent speed-up; up to 1.47 times on Llama and MAE pretraining in "
            "version 1",
            place="abstract",
        ),
        Claim(
            says="Updates that agree with the gradient reach the same loss sooner.",
            task="lm_markov_short",
            method="adamw+cautious",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            number="consistent speed-up; up to 1.47 times on Llama and MAE pretraining in "
            "version 1",
            place="abstract",
        ),
        Claim(
            says="Lion gains from it, too.",
            task="lm_markov_short",
            method="lion+cautious",
            rival="lion",
            measure="score",
            expect="better",
            number="consistent speed-up; up to 1.47 times on Llama and MAE pretraining in "
            "version 1; C-Lion is named, without a number",
            place="abstract",
        ),
    ],
)
