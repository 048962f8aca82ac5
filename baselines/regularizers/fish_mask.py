"""FISH Mask: only the weights with the largest Fisher information are trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite import Objective, Regularizer, TaskInfo, regularizer, search

#: the largest share of the budget that one mask may cost
LARGEST_COST = 0.05


class FishMask(Regularizer):
    """Sung et al. 2021: a fixed sparse mask of the weights that are updated.

    The importance of a weight is the sum of its squared gradients over `samples` training examples,
    one by one, with their labels (the empirical Fisher information, eq. 4). The share `keep` of all
    weights is trained: the output layer, and of the others the most important ones. The rest stays
    as it is, to the bit. The mask is made before the first step and, where a stream says that
    the task changes, before the first step of each task.

    Deviates from the paper: the samples are cut so that a mask costs at most a twentieth of the
    budget. The networks begin untrained, and not as pretrained ones. At least one weight outside
    of the output layer is trained.
    """

    def __init__(self, keep: float, samples: int) -> None:
        self.keep = keep
        self.samples = samples
        self._masks: dict[nn.Parameter, Tensor] = {}

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        affordable = int(LARGEST_COST * info.steps * info.batch_size)
        self._samples = max(1, min(self.samples, affordable))

    def on_task_change(self, model: nn.Module, task: int) -> None:
        self._masks = {}

    def around_step(self, step: Callable[[], Tensor], objective: Objective) -> Tensor:
        if not self._masks:
            self._masks = self._new_masks(objective)
        before = [p.detach().clone() for p in objective.parameters]
        loss = step()
        with torch.no_grad():
            for p, old in zip(objective.parameters, before, strict=True):
                p.copy_(torch.where(self._masks[p], p, old))
        return loss

    def gradients(self, parameters: list[nn.Parameter]) -> None:
        for p in parameters:
            if p.grad is not None and p in self._masks:
                p.grad.mul_(self._masks[p])

    def _new_masks(self, objective: Objective) -> dict[nn.Parameter, Tensor]:
        parameters = objective.parameters
        fisher = self._fisher(objective)
        masks = {p: torch.ones_like(p, dtype=torch.bool) for p in parameters}
        others = [i for i, p in enumerate(parameters) if not _is_of_head(p, objective)]
        if not others:
            return masks
        everything = sum(p.numel() for p in parameters)
        importance = torch.cat([fisher[i].flatten() for i in others])
        trained = int(self.keep * everything) - (everything - len(importance))
        top = importance.topk(max(1, min(trained, len(importance)))).indices
        chosen = torch.zeros_like(importance, dtype=torch.bool)
        chosen[top] = True
        parts = chosen.split([fisher[i].numel() for i in others])
        for i, part in zip(others, parts, strict=True):
            masks[parameters[i]] = part.view_as(parameters[i])
        return masks

    def _fisher(self, objective: Objective) -> list[Tensor]:
        fisher = [torch.zeros_like(p) for p in objective.parameters]
        missing = self._samples
        while True:
            for some in objective.per_example_gradients():
                for total, gradients in zip(fisher, some, strict=True):
                    total.add_(gradients[:missing].square().sum(0))
                missing -= min(missing, len(some[0]))
            if not missing:
                return fisher
            objective.next_batch()


def _is_of_head(p: nn.Parameter, objective: Objective) -> bool:
    heads = {q.layer_name for q in objective.parameters if q.role == "head"}
    return p.layer_name in heads


regularizer(
    "fish_mask",
    FishMask,
    summary="Trains only the weights with the largest Fisher information.",
    paper="Sung et al. 2021, Training Neural Networks with Fixed Sparse Masks",
    url="https://arxiv.org/abs/2111.09839",
    search={
        "keep": search.log_uniform(0.005, 1.0, default=0.5),
        "samples": search.choice(32, 256, 1024, default=256),
    },
)
