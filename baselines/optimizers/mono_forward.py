"""Mono-Forward: every layer learns from a classifier of its own, and nothing passes back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from suite import Claim, Objective, TaskInfo, optimizer, search

from .families.local_losses import PROJECTION, LocalLosses

BETAS, EPS = (0.9, 0.999), 1e-8


class MonoForward(Optimizer):
    """Gong, Li and Abdulla 2025, section 3.

    The goodness of layer i is G_i = a_i M_i', where a_i are its activations and M_i is a learnt
    matrix with a row for each class. The cross entropy of softmax(G_i) trains W_i and M_i, and a_i
    reaches the next layer without a graph. The last layer's G is the prediction: its M is the
    network's output layer, so that with one hidden layer the method is backpropagation.

    Deviates from the paper: steps are Adam's (the page that was read does not name the optimizer),
    M begins with normal entries of variance 1 / features. A block is a layer with all that follows
    it up to the next one, pooling and norms included.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, model: nn.Module, info: TaskInfo
    ) -> None:
        self._local = LocalLosses(model, info)
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, objective: Objective) -> Tensor:
        """One step: costs 1 per example."""
        found = self._local.gradients(objective, self.state)
        gradients = dict(zip(objective.parameters, found.gradients, strict=True))
        for group in self.param_groups:
            for p in group["params"]:
                if p in found.projections:
                    projection = self.state[p][PROJECTION]
                    self._adam(p, projection, found.projections[p], group["lr"], "projection_")
                if p in gradients:
                    self._adam(p, p, gradients[p], group["lr"], "")
        return found.loss

    def _adam(
        self, owner: nn.Parameter, weight: Tensor, gradient: Tensor, lr: float, name: str
    ) -> None:
        """Adam's step of a tensor whose moments are in the state of `owner`."""
        state = self.state[owner]
        mean = state.setdefault(f"{name}mean", torch.zeros_like(weight))
        square = state.setdefault(f"{name}square", torch.zeros_like(weight))
        steps = state[f"{name}steps"] = state.get(f"{name}steps", 0) + 1
        mean.lerp_(gradient, 1 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        scale = (square / (1 - BETAS[1] ** steps)).sqrt_().add_(EPS)
        weight.addcdiv_(mean, scale, value=-lr / (1 - BETAS[0] ** steps))


optimizer(
    "mono_forward",
    MonoForward,
    summary="Every layer learns from a linear classifier of its own activations.",
    paper="Gong, Li and Abdulla 2025, Mono-Forward: Backpropagation-Free Algorithm for Efficient "
    "Neural Network Training Harnessing Local Errors",
    url="https://arxiv.org/abs/2501.09238",
    search={"lr": search.log_uniform(1e-5, 1e-1, default=1e-3)},
    claims=[
        Claim(
            says="Local errors match or surpass the accuracy of backpropagation.",
            task="cifar10_mini",
            rival="adamw",
            measure="score",
            expect="equal",
            number="consistently matches or surpasses it on MNIST, Fashion-MNIST, CIFAR-10 "
            "and CIFAR-100",
            place="abstract",
        ),
        Claim(
            says="Local errors match or surpass the accuracy of backpropagation.",
            task="fashion_mnist",
            rival="adamw",
            measure="score",
            expect="equal",
            number="consistently matches or surpasses it on MNIST, Fashion-MNIST, CIFAR-10 "
            "and CIFAR-100",
            place="abstract",
        ),
    ],
)
