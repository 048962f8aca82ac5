"""Shrink and perturb: as new data arrive, weights are shrunk and fresh initial ones added."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Objective, Regularizer, TaskInfo, regularizer, search


class ShrinkAndPerturb(Regularizer):
    """Ash and Adams 2020, section 4: w <- shrink w + perturb p before training on new data.

    p are freshly initialized weights, as in the authors' code, so that the noise of each tensor has
    the scale of its initialization. shrink 1 and perturb 0 is a warm start, 0 and 1 a new start.

    Deviates from the paper: new data are the next task of a stream; fresh weights of a tensor are
    its initial ones in a random order; the optimizer's state and batch norm's statistics stay.
    """

    def __init__(self, shrink: float, perturb: float) -> None:
        self.shrink = shrink
        self.perturb = perturb

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.tasks is None:
            raise NotApplicable("shrink and perturb acts when new data arrive, and must be told")
        self._generator = info.generator

    def start(self, model: nn.Module, objective: Objective) -> None:
        self._parameters = objective.parameters
        self._initial = [p.detach().clone() for p in objective.parameters]

    @torch.no_grad()
    def on_task_change(self, model: nn.Module, task: int) -> None:
        for p, initial in zip(self._parameters, self._initial, strict=True):
            p.mul_(self.shrink).add_(self._fresh(initial), alpha=self.perturb)

    def _fresh(self, initial: Tensor) -> Tensor:
        order = torch.randperm(initial.numel(), generator=self._generator)
        return initial.flatten()[order.to(initial.device)].view_as(initial)


regularizer(
    "shrink_and_perturb",
    ShrinkAndPerturb,
    summary="Shrinks the weights and adds fresh initial ones when a new task begins.",
    paper="Ash and Adams 2020, On Warm-Starting Neural Network Training",
    url="https://arxiv.org/abs/1910.08475",
    search={
        "shrink": search.uniform(0.0, 1.0, default=0.4),
        "perturb": search.uniform(0.0, 1.0, default=0.1),
    },
    claims=[
        Claim(
            says="As data arrive, shrink and perturb generalizes better than a warm start.",
            task="class_incremental_growth",
            method="adamw+shrink_and_perturb",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: a simple trick overcomes the poorer generalization "
            "of warm starts in several important situations",
            place="abstract",
        ),
    ],
)
