"""AdEMAMix: a fast and a slow average of gradients."""

from __future__ import annotations

import math

from torch import Tensor, nn

from suite import Claim, TaskInfo, optimizer, search

from .families.moments import Group, State, TensorByTensor, average


class AdEMAMix(TensorByTensor):
    """Pagliardini, Ablin and Grangier 2024, algorithm 1.

    m1, m2 and v are averages of g, g and g^2 with decay b1, b3 and b2, from 0;
    w <- w - lr * ((m1 / (1 - b1^t) + a m2) / (sqrt(v / (1 - b2^t)) + 1e-8) + weight_decay * w).
    a rises linearly from 0, and b3 from b1 so that its half-life rises linearly, over T steps; T is
    the whole run, as in most of the paper's. b1 = 0.9, b2 = 0.999.

    Deviates from the paper: nothing. beta3 is searched below the paper's 0.9999, whose average of
    10,000 steps is longer than a run here.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        alpha: float,
        beta3: float,
        info: TaskInfo,
    ) -> None:
        constants = {"betas": (0.9, 0.999), "beta3": beta3, "alpha": alpha, "eps": 1e-8}
        super().__init__(parameters, lr, weight_decay, **constants)
        self._rise = max(1, info.steps)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        (beta1, beta2), t = group["betas"], state["step"]
        share = min(1.0, t / self._rise)
        alpha = share * group["alpha"]
        fast, slow = math.log(beta1), math.log(group["beta3"])
        beta3 = min(math.exp(fast * slow / ((1 - share) * slow + share * fast)), group["beta3"])
        v = average(state, "v", g.square(), beta2)
        m1 = average(state, "m1", g, beta1) / (1 - beta1**t)
        m1.add_(average(state, "m2", g, beta3), alpha=alpha)
        return m1.div_((v / (1 - beta2**t)).sqrt_().add_(group["eps"]))


optimizer(
    "ademamix",
    AdEMAMix,
    summary="AdamW with a second, slow average of gradients added to the first.",
    paper="Pagliardini, Ablin and Grangier 2024, The AdEMAMix Optimizer: Better, Faster, Older",
    url="https://arxiv.org/abs/2409.03137",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "alpha": search.uniform(2.0, 10.0, default=5.0),
        "beta3": search.choice(0.99, 0.999, 0.9999, default=0.9999),
    },
    claims=[
        Claim(
            says="AdEMAMix reaches AdamW's loss on about half the tokens.",
            task="lm_markov_short",
            rival="adamw",
            measure="time_to_target",
            expect="better",
            factor=1.95,
            number="1.3 B weights: 101 B tokens as good as 197 B tokens of AdamW (+95 %)",
            place="abstract",
        ),
        Claim(
            says="AdEMAMix often reaches a lower loss than AdamW, in image classification too.",
            task="digits",
            rival="adamw",
            measure="score",
            expect="better",
            number="helps to converge faster, and often to lower minima; no number for "
            "images in the abstract",
            place="abstract",
        ),
        Claim(
            says="AdEMAMix forgets its training data more slowly than AdamW.",
            task="split_digits_task",
            rival="adamw",
            measure="column",
            quantity="forgetting",
            expect="lower",
            number="significantly slows down forgetting during training; no number in the abstract",
            place="abstract",
        ),
    ],
)
