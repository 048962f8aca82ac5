"""Adan: Nesterov's momentum from gradients and their differences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.few_passes import average_of_squares, root
from .families.moments import Group, State, TensorByTensor, average


class Adan(TensorByTensor):
    """Xie et al. 2022, algorithm 1, without restarts.

    d = g - g of the step before, 0 at first; m, v and n are averages of g, d and (g + b2 d)^2 with
    decay b1, b2 and b3, each divided by 1 - b^t;
    w <- (w - lr * (m + b2 v) / (sqrt(n) + 1e-8)) / (1 + lr * weight_decay).
    Betas are (0.98, 0.92, 0.99), the paper's 1 - (0.02, 0.08, 0.01).

    Deviates from the paper: averages begin at 0 and are corrected for bias, as in the authors'
    code, instead of at the first gradients. The default rate is five times AdamW's: the authors
    advise five to ten times.
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(parameters, lr, weight_decay, betas=(0.98, 0.92, 0.99), eps=1e-8)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = False  # a quotient is not exactly lr * decay * w

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        (beta1, beta2, beta3), t = group["betas"], state["step"]
        if "gradient" not in state:
            state["gradient"] = g.clone()
        difference = g - state["gradient"]
        state["gradient"].copy_(g)
        m = average(state, "m", g, beta1)
        v = average(state, "v", difference, beta2)
        ahead = torch.add(g, difference, alpha=beta2, out=difference)
        n = average_of_squares(state, "n", ahead, beta3)
        step = torch.add(m, v, alpha=beta2 * (1 - beta1**t) / (1 - beta2**t), out=ahead)
        return step.div_(root(n, beta3, t, group["eps"], times=1 - beta1**t))

    def move(self, p: Tensor, direction: Tensor, group: Group) -> None:
        p.add_(direction, alpha=-group["lr"]).div_(1 + group["lr"] * group["weight_decay"])


optimizer(
    "adan",
    Adan,
    summary="Adam whose momentum looks ahead by an average of the differences of gradients.",
    paper="Xie et al. 2022, Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep "
    "Models",
    url="https://arxiv.org/abs/2208.06677",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=5e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=2e-2),
    },
    claims=[
        Claim(
            says="Adan needs half of Adam's steps for the same result.",
            task="lm_markov_short",
            rival="adam",
            measure="time_to_target",
            expect="better",
            factor=2.0,
            number="Transformer-XL on WikiText-103: perplexity 24.2 after 100,000 steps; "
            "Adam's after 200,000",
            place="README of sail-sg/Adan; abstract: half of the training cost",
        ),
        Claim(
            says="Adan surpasses the optimizers that convolutional networks are trained with.",
            task="cifar10_resnet18",
            rival="adamw",
            measure="score",
            expect="better",
            number="ResNet and ConvNext: surpasses the best optimizer of each; no number "
            "in the abstract",
            place="abstract",
        ),
    ],
)
