"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.few_passes import average_of_squares, root
from .families.moments import Group, State, TensorByTensor, average


class NAdam(TensorByTensor):
    """Dozat 2016, algorithm 2 with the momentum schedule of its footnote.

    mu_t = beta1 (1 - 0.96^(t / 250) / 2); m and v are Adam's averages, with beta2 = 0.999;
    w <- w - lr * (mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t))
    / (sqrt(v / (1 - beta2^t)) + 1e-8).

    Deviates from the paper: m is an average with the constant beta1, as in torch, not with mu_t;
    decoupled weight decay, of which the paper says nothing. Torch's own is not used: what it saves
    of the product of mu gets the precision of the weights when it is read again.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, beta1: float
    ) -> None:
        super().__init__(parameters, lr, weight_decay, betas=(beta1, 0.999), eps=1e-8)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        (beta1, beta2), t = group["betas"], state["step"]
        mu, following = (beta1 * (1 - 0.96 ** (s / 250) / 2) for s in (t, t + 1))
        product = state["product"] = state.get("product", 1.0) * mu
        m, v = average(state, "m", g, beta1), average_of_squares(state, "v", g, beta2)
        share = following / (1 - product * following)
        ahead = torch.add(m, g, alpha=(1 - mu) / (1 - product) / share)
        return ahead.div_(root(v, beta2, t, group["eps"], times=1 / share))


optimizer(
    "nadam",
    NAdam,
    summary="Adam with Nesterov's momentum in the place of the classical one.",
    paper="Dozat 2016, Incorporating Nesterov Momentum into Adam",
    url="https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=2e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "beta1": search.choice(0.9, 0.95, 0.98, default=0.9),
    },
    claims=[
        Claim(
            says="NAdam reaches a lower training and validation loss than Adam.",
            task="digits",
            rival="adam",
            measure="score",
            expect="better",
            number="a convolutional autoencoder of MNIST: lower training and validation loss",
            place="the paper",
            from_memory=True,
        ),
    ],
)
