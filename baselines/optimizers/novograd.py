"""NovoGrad: gradients divided by the norm of their layer's, then summed to a momentum."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.moments import Group, State, TensorByTensor, average


class NovoGrad(TensorByTensor):
    """Ginsburg et al. 2019, algorithm 1, with a tensor for a layer.

    v is the average of ||g||^2 with decay b2, from its first value;
    m <- b1 m + g / (sqrt(v) + 1e-8) + weight_decay * w, from 0; w <- w - lr * m. b1 = 0.95.

    Deviates from the paper: nothing; the weight decay is in the momentum, as there.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, beta2: float
    ) -> None:
        super().__init__(parameters, lr, weight_decay, betas=(0.95, beta2), eps=1e-8)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = False

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        beta1, beta2 = group["betas"]
        square = g.square().sum()
        v = average(state, "v", square, beta2 if "v" in state else 0.0)
        if "m" not in state:
            state["m"] = torch.zeros_like(g)
        m = state["m"].mul_(beta1).add_(g / (v.sqrt() + group["eps"]))
        return m.add_(p, alpha=group["weight_decay"])

    def move(self, p: Tensor, direction: Tensor, group: Group) -> None:
        p.add_(direction, alpha=-group["lr"])


optimizer(
    "novograd",
    NovoGrad,
    summary="Momentum of gradients normalized by an average of their tensor's squared norms.",
    paper="Ginsburg et al. 2019, Stochastic Gradient Methods with Layer-wise Adaptive Moments for "
    "Training of Deep Networks",
    url="https://arxiv.org/abs/1905.11286",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-2),
        "weight_decay": search.log_uniform(1e-5, 1e-1, default=1e-3),
        "beta2": search.choice(0.25, 0.98, default=0.98),
    },
    claims=[
        Claim(
            says="NovoGrad is as good as or better than tuned SGD in image classification.",
            task="cifar10_resnet18",
            rival="sgd",
            measure="score",
            expect="not_worse",
            number="image classification: on par or better than tuned SGD with momentum; no number",
            place="abstract",
        ),
        Claim(
            says="NovoGrad works well with very large batches.",
            task="large_batch_mini",
            rival="sgd",
            measure="score",
            expect="better",
            number="generally better than other optimizers for very large batches; later "
            "versions: works well; no number",
            place="abstract of version 1",
        ),
        Claim(
            says="NovoGrad is robust to the choice of the learning rate.",
            task="digits",
            rival="sgd",
            measure="sensitivity",
            quantity="lr",
            expect="lower",
            number="no number in the abstract: robust to the choice of learning rate and weight "
            "initialization",
            place="abstract",
        ),
    ],
)
