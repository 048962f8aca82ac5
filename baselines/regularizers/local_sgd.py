"""Local SGD: several workers step on their own and meet at the mean of their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from suite import Objective, Regularizer, regularizer, search


class LocalSGD(Regularizer):
    """Stich 2019, algorithm 1, and the baseline of Gu et al. 2024: workers simulated in turn.

    Each of `workers` has its own weights and its own state of the optimizer. They take steps in
    turn, each on the next batch, and after `local_steps` steps of every worker all continue with
    the mean of their weights; momenta stay local. The mean is what is evaluated.

    Deviates from the paper: workers draw from one stream of batches, which gives them disjoint
    parts of each pass over the data. They share what an optimizer keeps outside of `state`, and
    running statistics of batch norm. Every worker's gradients are charged: nothing is in parallel.
    """

    def __init__(self, workers: int, local_steps: int) -> None:
        self.workers = workers
        self.local_steps = local_steps
        self._steps = 0
        self._names: list[str] = []
        self._weights: list[list[Tensor]] = []
        self._states: list[dict[Any, Any]] = []

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._names = [name for name, p in model.named_parameters() if p.requires_grad]
        now = [p.detach() for p in objective.parameters]
        self._weights = [[p.clone() for p in now] for _ in range(self.workers)]
        self._states = [{} for _ in range(self.workers)]

    def after_step(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Keep what the worker has reached; the next one's turn begins."""
        parameters = self.objective.parameters
        worker = self._steps % self.workers
        torch._foreach_copy_(self._weights[worker], parameters)
        self._states[worker] = dict(optimizer.state)
        self._steps += 1
        if self._steps % (self.workers * self.local_steps) == 0:
            mean = self._mean()
            for weights in self._weights:
                torch._foreach_copy_(weights, mean)
        following = self._steps % self.workers
        torch._foreach_copy_(parameters, self._weights[following])
        # The parts of `Combined` share this object: it is filled again, not replaced.
        optimizer.state.clear()
        optimizer.state.update(self._states[following])

    def average(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return dict(zip(self._names, self._mean(), strict=True))

    def _mean(self) -> list[Tensor]:
        tensors = zip(*self._weights, strict=True)
        return [torch.stack(some).mean(0) for some in tensors]


regularizer(
    "local_sgd",
    LocalSGD,
    summary="Simulated workers step on their own and meet at the mean of their weights.",
    paper="Stich 2019, Local SGD Converges Fast and Communicates Little",
    url="https://arxiv.org/abs/1805.09767",
    search={
        "workers": search.choice(2, 4, 8, default=4),
        "local_steps": search.choice(1, 2, 4, 8, 16, default=4),
    },
)
