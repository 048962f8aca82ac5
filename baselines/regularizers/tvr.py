"""TVR: weights that have grown are scaled back to a target standard deviation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Objective, Regularizer, regularizer, search

#: how far the standard deviation may exceed its target
TOLERANCE = 1.2


class TVR(Regularizer):
    """Owen et al. 2025, target variance rescaling.

    After every `interval` steps, each matrix whose standard deviation s exceeds 1.2 times its
    target becomes mean + (w - mean) target / s.

    Deviates from the paper: the target is `target` times the matrix's standard deviation at first,
    and not 0.01, since that fits the width of a 1B model; filters count as matrices. Embeddings and
    the head are left alone, as in the paper. Biases are, too: the authors' code would set them to
    0, and their models have none.
    """

    def __init__(self, target: float, interval: int) -> None:
        self.target = target
        self.interval = interval
        self._steps = 0
        self._targets: dict[nn.Parameter, Tensor] = {}

    def start(self, model: nn.Module, objective: Objective) -> None:
        for p in objective.parameters:
            if p.ndim >= 2 and p.numel() > 1 and p.role in ("hidden", "conv"):
                self._targets[p] = self.target * p.detach().std()
        if not self._targets:
            raise NotApplicable("TVR rescales hidden matrices and filters: there are none")

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._steps += 1
        if self._steps % self.interval:
            return
        for p, target in self._targets.items():
            mean, deviation = p.mean(), p.std()
            scaled = (p - mean) * (target / deviation) + mean
            p.copy_(torch.where(deviation > TOLERANCE * target, scaled, p))


regularizer(
    "tvr",
    TVR,
    summary="Scales matrices that have grown back to their standard deviation at first.",
    paper="Owen et al. 2025, Variance Control via Weight Rescaling in LLM Pre-training",
    url="https://arxiv.org/abs/2503.17500",
    search={
        "target": search.log_uniform(0.3, 3.0, default=1.0),
        "interval": search.choice(1, 10, 50, default=10),
    },
    claims=[
        Claim(
            says="Rescaling the weights' variance improves language models.",
            task="lm_markov_short",
            method="adamw+tvr",
            rival="adamw",
            measure="score",
            expect="better",
            number="up to 4.6 % on common pre-training benchmarks",
            place="abstract",
        ),
    ],
)
