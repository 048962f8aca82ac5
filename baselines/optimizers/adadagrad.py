"""AdAdaGrad: AdaGrad whose batch grows when the variance of its gradient calls for it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Adagrad

from suite import NotApplicable, Regularizer, TaskInfo, method, search


class NormTest(Regularizer):
    """Lau, Liu and Kolar 2024, the (coordinate-free) norm test of equations 4 and 5.

    A batch of b examples is large enough if the sum of the coordinates' sample variances, divided
    by b, is at most eta^2 times the squared norm of the batch's gradient. Otherwise the next batch
    has ceil(sum of variances / (eta^2 ||gradient||^2)) examples; batches never shrink.

    Deviates from the paper: sizes are multiples of the task's batch, at most `largest` of them.
    Penalties of other regularizers are no part of the gradients of examples, and have no effect.
    """

    def __init__(self, eta: float, largest: int = 16) -> None:
        self.eta = eta
        self.largest = largest
        self._batches = 1

    def attach(self, model: nn.Module, info: TaskInfo) -> None:
        if info.batch_size < 2:
            raise NotApplicable("a batch of one example has no variance")

    def evaluate(self, evaluate: Callable[[], Tensor], parameters: list[nn.Parameter]) -> Tensor:
        objective, examples = self.objective, 0
        sums = [torch.zeros_like(p) for p in parameters]
        squares, loss = 0.0, torch.zeros((), device=parameters[0].device)
        for number in range(self._batches):
            if number:
                objective.next_batch()
            examples += objective.batch_size
            for some in objective.per_example_gradients():
                for total, gradients in zip(sums, some, strict=True):
                    total.add_(gradients.sum(0))
                    squares += float(gradients.square().sum())
            loss = loss + objective.last_loss / self._batches
        for p, total in zip(parameters, sums, strict=True):
            p.grad = total / examples
        length = sum(float(p.grad.square().sum()) for p in parameters)
        variance = (squares - examples * length) / (examples - 1)
        needed = variance / (self.eta**2 * length + 1e-30)
        batches = math.ceil(needed / objective.batch_size) if math.isfinite(needed) else 1
        self._batches = min(max(self._batches, batches), self.largest)
        return loss


def adagrad(params: list[nn.Parameter], lr: float) -> Adagrad:
    """Torch's AdaGrad; the paper's and torch's epsilon is 1e-10."""
    return Adagrad(params, lr=lr, eps=1e-10)


method(
    "adadagrad",
    adagrad,
    regularizers=[NormTest],
    summary="AdaGrad with batches that grow by a test of their gradient's variance.",
    paper="Lau, Liu and Kolar 2024, AdAdaGrad: Adaptive Batch Size Schemes for Adaptive Gradient "
    "Methods",
    url="https://arxiv.org/abs/2402.11215",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=1e-2),
        "eta": search.log_uniform(0.05, 5.0, default=0.5),
    },
)
