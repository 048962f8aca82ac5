"""Lookahead: slow weights follow the weights that any optimizer reaches in a few steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Claim, Objective, Regularizer, regularizer, search


class Lookahead(Regularizer):
    """Zhang et al. 2019, algorithm 1.

    After every `k` steps of the optimizer, slow <- slow + alpha (fast - slow), and the next steps
    begin at the slow weights. The optimizer's state is kept, as by default in the authors' code.

    Deviates from the paper: between two synchronizations the fast weights are evaluated.
    """

    def __init__(self, k: int, alpha: float) -> None:
        self.k = k
        self.alpha = alpha
        self._steps = 0
        self._slow: list[Tensor] = []

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._slow = [p.detach().clone() for p in objective.parameters]

    def around_step(self, step: Callable[[], Tensor], objective: Objective) -> Tensor:
        loss = step()
        self._steps += 1
        if self._steps % self.k == 0:
            with torch.no_grad():
                for p, slow in zip(objective.parameters, self._slow, strict=True):
                    slow.lerp_(p, self.alpha)
                    p.copy_(slow)
        return loss


regularizer(
    "lookahead",
    Lookahead,
    summary="Moves slow weights towards what the optimizer reaches in k steps.",
    paper="Zhang et al. 2019, Lookahead Optimizer: k steps forward, 1 step back",
    url="https://arxiv.org/abs/1907.08610",
    search={
        "k": search.choice(5, 10, default=5),
        "alpha": search.choice(0.2, 0.5, 0.8, default=0.5),
    },
    claims=[
        Claim(
            says="Lookahead improves SGD on CIFAR.",
            task="cifar10_resnet18",
            method="sgd+lookahead",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: can significantly improve SGD and Adam on ImageNet, "
            "CIFAR-10/100, translation and Penn Treebank",
            place="abstract",
        ),
        Claim(
            says="Lookahead lowers the variance of SGD's steps.",
            task="sgd_ema_linreg",
            method="sgd+lookahead",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: improves the stability and lowers the variance of "
            "its inner optimizer with negligible cost",
            place="abstract",
        ),
        Claim(
            says="Slow weights improve SGD.",
            task="digits",
            method="sgd+lookahead",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: can significantly improve SGD, even with its "
            "default settings, on ImageNet and CIFAR",
            place="abstract",
        ),
        Claim(
            says="Slow weights improve Adam on language.",
            task="lm_markov_short",
            method="adamw+lookahead",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: can significantly improve Adam, even with its "
            "default settings, on translation and Penn Treebank",
            place="abstract",
        ),
    ],
)
