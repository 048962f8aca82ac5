"""diffGrad: Adam that is slowed down where gradients do not change."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.few_passes import average_of_squares, root
from .families.moments import Group, State, TensorByTensor, average


class DiffGrad(TensorByTensor):
    """Dubey et al. 2020, equations 5 to 9.

    Adam's step, each coordinate times 1 / (1 + exp(-|g - g of the step before|)), which is between
    a half and 1; the gradient before the first is 0. Betas (0.9, 0.999), epsilon 1e-8.

    Deviates from the paper: nothing. The first form of the authors' code compared the gradient with
    itself, so that the factor was always a half; their second form is this one, with epsilon added
    before v is corrected for bias.
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, beta2: float) -> None:
        super().__init__(parameters, lr, betas=(0.9, beta2), eps=1e-8)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        (beta1, beta2), t = group["betas"], state["step"]
        if "gradient" not in state:
            state["gradient"] = torch.zeros_like(g)
        m, v = average(state, "m", g, beta1), average_of_squares(state, "v", g, beta2)
        denominator = root(v, beta2, t, group["eps"], times=1 - beta1**t)
        slowed = state["gradient"].sub_(g).abs_().sigmoid_().mul_(m)
        step = torch.div(slowed, denominator, out=denominator)
        state["gradient"].copy_(g)
        return step

    def move(self, p: Tensor, direction: Tensor, group: Group) -> None:
        if group["weight_decay"]:
            p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(direction, alpha=-group["lr"])


optimizer(
    "diffgrad",
    DiffGrad,
    summary="Adam times a sigmoid of the change of each gradient.",
    paper="Dubey et al. 2020, diffGrad: An Optimization Method for Convolutional Neural Networks",
    url="https://arxiv.org/abs/1909.11015",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "beta2": search.choice(0.99, 0.999, default=0.999),
    },
    claims=[
        Claim(
            says="diffGrad outperforms Adam with a residual network on CIFAR-10.",
            task="cifar10_resnet18",
            rival="adam",
            measure="score",
            expect="better",
            number="outperforms six others, Adam among them, residual networks on CIFAR-10 "
            "and CIFAR-100; no number in the abstract",
            place="abstract",
        ),
        Claim(
            says="diffGrad outperforms AMSGrad with a residual network on CIFAR-10.",
            task="cifar10_resnet18",
            rival="amsgrad",
            measure="score",
            expect="better",
            number="outperforms six others, AMSGrad among them, residual networks on "
            "CIFAR-10 and CIFAR-100; no number in the abstract",
            place="abstract",
        ),
    ],
)
