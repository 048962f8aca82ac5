"""TAG: RMSProp or Adam whose second moment contains those of related earlier tasks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, NotApplicable, TaskInfo, optimizer, search

from .families.tensors import evaluated, trained

EPSILON = 1e-8
BETA1 = 0.9
BETA2 = {"rmsprop": 0.99, "adam": 0.999}


class TAG(Optimizer):
    """Malviya et al. 2022, TAG-RMSProp and TAG-Adam, for each tensor.

    In task t, m <- 0.9 m + 0.1 g and v <- b v + (1 - b) g^2 begin at 0; those of earlier tasks are
    kept. With a_t = exp(-strength) and a_s = exp(-strength cos(m, m_s)) for the tasks s before t,
    w <- w - lr n / (sqrt(a_t v + sum of a_s v_s) + 1e-8). In the first task a is 1. The numerator n
    is g, or under Adam m over 1 - 0.9^k with sqrt(1 - b^k) times the denominator's root, k being
    the steps in the task.

    Deviates from the paper: nothing; TAG-Adagrad is left out.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, strength: float, base: str, info: TaskInfo
    ) -> None:
        if info.tasks is None:
            raise NotApplicable("needs to be told when tasks change")
        super().__init__(params, {"lr": lr, "strength": strength, "base": base})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = evaluated(closure)
        for p, group, state in trained(self):
            if "mean" not in state:
                state.update(count=0, mean=torch.zeros_like(p), square=torch.zeros_like(p))
            beta2 = BETA2[group["base"]]
            state["count"] += 1
            mean = state["mean"].lerp_(p.grad, 1 - BETA1)
            square = state["square"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
            if "means" in state:
                square = self._with_earlier_tasks(mean, square, state, group["strength"])
            root = square.sqrt()
            step = p.grad
            if group["base"] == "adam":
                step = mean / (1 - BETA1 ** state["count"])
                root = root / (1 - beta2 ** state["count"]) ** 0.5
            p.sub_(step / (root + EPSILON), alpha=group["lr"])
        return loss

    def on_task_change(self, model: nn.Module, task: int) -> None:
        """Keep the moments of the task that ends, the first ones as unit vectors."""
        for state in self.state.values():
            if "mean" not in state:
                continue
            direction = _unit(state.pop("mean"))[None]
            square = state.pop("square")[None]
            known = "means" in state
            state["means"] = torch.cat([state["means"], direction]) if known else direction
            state["squares"] = torch.cat([state["squares"], square]) if known else square

    @staticmethod
    def _with_earlier_tasks(mean: Tensor, square: Tensor, state: dict, strength: float) -> Tensor:
        cosines = state["means"].flatten(1) @ _unit(mean).flatten()
        weights = torch.exp(-strength * cosines)
        earlier = (weights @ state["squares"].flatten(1)).view_as(square)
        return square * torch.exp(torch.full_like(weights[0], -strength)) + earlier


def _unit(tensor: Tensor) -> Tensor:
    """The tensor over its norm; 0 stays 0."""
    return tensor / tensor.norm().clamp(min=torch.finfo(tensor.dtype).tiny)


optimizer(
    "tag",
    TAG,
    summary="RMSProp that slows down where earlier tasks had related gradients.",
    paper="Malviya et al. 2022, TAG: Task-based Accumulated Gradients for Lifelong learning",
    url="https://arxiv.org/abs/2105.05155",
    search={
        "lr": search.log_uniform(1e-5, 1e-1, default=1e-3),
        "strength": search.choice(1.0, 3.0, 5.0, 7.0, default=5.0),
        "base": search.choice("rmsprop", "adam", default="rmsprop"),
    },
    claims=[
        Claim(
            says="Rates that know the tasks account for forgetting.",
            task="split_digits_task",
            rival="adamw",
            measure="score",
            expect="better",
            number="accounts for catastrophic forgetting and allows positive backward "
            "transfer; no number",
            place="abstract",
        ),
        Claim(
            says="Rates that know the tasks are better than several methods of lifelong learning.",
            task="split_cifar100_task",
            rival="adamw+ewc",
            measure="score",
            expect="better",
            number="better than several state-of-the-art methods on complex datasets with many "
            "tasks; no number",
            place="abstract",
        ),
        Claim(
            says="Rates that know the tasks account for forgetting.",
            task="permuted_digits_domains",
            rival="adamw",
            measure="score",
            expect="better",
            number="accounts for catastrophic forgetting and allows positive backward "
            "transfer; no number",
            place="abstract",
        ),
    ],
)
