"""EWC: weights that earlier tasks needed are held near their values by a quadratic penalty."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, NotApplicable, Regularizer, TaskInfo, regularizer, search


class EWC(Regularizer):
    """Kirkpatrick et al. 2017, eq. 3: a penalty for each earlier task.

    It is strength/2 times the sum of F (w - w*)^2, where w* are the weights at the task's end and F
    is the diagonal of the Fisher information there, the mean of the squared gradients of examples.

    Deviates from the paper: the Fisher information is that of the last batch of the task, with its
    labels instead of sampled ones (the empirical Fisher information).
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength
        #: for each earlier task: F and w* by name
        self._tasks: list[dict[str, tuple[Tensor, Tensor]]] = []

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.tasks is None:
            raise NotApplicable("EWC needs to be told when tasks change, and this task does not")

    def on_task_change(self, model: nn.Module, task: int) -> None:
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        fisher = [torch.zeros_like(p) for p in trained.values()]
        for some in self.objective.per_example_gradients():
            for total, gradients in zip(fisher, some, strict=True):
                total.add_(gradients.square().sum(0), alpha=1 / self.objective.batch_size)
        weights = [p.detach().clone() for p in trained.values()]
        pairs = zip(fisher, weights, strict=True)
        self._tasks.append(dict(zip(trained, pairs, strict=True)))

    def penalty(self, model: nn.Module) -> Tensor | float:
        weights = dict(model.named_parameters())
        total: Tensor | float = 0.0
        for held in self._tasks:
            for name, (fisher, weight) in held.items():
                total = total + (fisher * (weights[name] - weight).square()).sum()
        return total * (self.strength / 2)


regularizer(
    "ewc",
    EWC,
    summary="Holds weights that earlier tasks needed near their values.",
    paper="Kirkpatrick et al. 2017, Overcoming catastrophic forgetting in neural networks",
    url="https://arxiv.org/abs/1612.00796",
    search={"strength": search.log_uniform(1e-2, 1e5, default=100.0)},
    claims=[
        Claim(
            says="Slowing down the weights that earlier tasks need makes the network forget less.",
            task="permuted_digits_domains",
            method="adamw+ewc",
            rival="adamw",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="remembers old tasks by slowing down learning on the weights important "
            "for them; no number",
            place="abstract",
        ),
    ],
)
