"""StableMax: a softmax whose exponential is replaced by a function that grows linearly."""

from __future__ import annotations

import torch
from torch import Tensor

from suite import Claim, Regularizer, regularizer


class StableMax(Regularizer):
    """Prieto et al. 2025: s(x) = x + 1 for x >= 0, 1 / (1 - x) for x < 0.

    The cross entropy of s(x_i) / sum of s(x_j) is the usual one of the logits log s(x), which is
    sign(x) log(1 + |x|): the transformation works with every loss of logits.

    Deviates from the paper: nothing; the loss has the model's precision (the authors' code can
    compute it in double precision).
    """

    def logits(self, logits: Tensor) -> Tensor:
        # Not sign(x) log(1 + |x|): its automatic derivative at 0 is 0 instead of 1.
        positive, negative = logits.clamp(min=0), logits.clamp(max=0)
        return torch.where(logits < 0, -(-negative).log1p(), positive.log1p())


regularizer(
    "stablemax",
    StableMax,
    summary="Replaces the softmax by one that grows linearly, which prevents its collapse.",
    paper="Prieto et al. 2025, Grokking at the Edge of Numerical Stability",
    url="https://arxiv.org/abs/2501.04697",
    claims=[
        Claim(
            says="StableMax groks without weight decay where softmax does not.",
            task="modular_addition",
            method="adam+stablemax",
            rival="adam",
            measure="time_to_target",
            expect="better",
            number="no number in the abstract: enables grokking without regularization; the script "
            "for figure 1: addition mod 113 from 40 % of the table, 80,000 epochs",
            place="abstract and run_main_experiments.sh of the authors' code",
        ),
        Claim(
            says="StableMax groks without regularization: good weight decays are smaller.",
            task="modular_addition",
            method="adamw+stablemax",
            rival="adamw",
            measure="hyperparameter",
            quantity="weight_decay",
            expect="lower",
            number="no number in the abstract: enables grokking without regularization",
            place="abstract",
        ),
        Claim(
            says="StableMax groks products, too, without weight decay.",
            task="modular_multiplication",
            method="adam+stablemax",
            rival="adam",
            measure="time_to_target",
            expect="better",
            number="no number in the abstract: enables grokking without regularization; the script "
            "for figure 4: multiplication mod 113, 100,000 epochs",
            place="abstract and run_main_experiments.sh of the authors' code",
        ),
    ],
)
