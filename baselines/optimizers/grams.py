"""Grams: the signs of the gradient, the lengths of Adam's step."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.few_passes import adam_step, average_of_squares
from .families.moments import Group, State, TensorByTensor, average


class Grams(TensorByTensor):
    """Cao, Li and Song 2024, algorithm 1.

    u is Adam's step from gradient g; w <- w - lr * (sign(g) |u| + weight_decay * w).
    Betas (0.9, beta2), epsilon 1e-6.

    Deviates from the paper: nothing.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, beta2: float
    ) -> None:
        super().__init__(parameters, lr, weight_decay, betas=(0.9, beta2), eps=1e-6)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        beta1, beta2 = group["betas"]
        m, v = average(state, "m", g, beta1), average_of_squares(state, "v", g, beta2)
        step = adam_step(m, v, group["betas"], group["eps"], state["step"])
        return step.abs_().mul_(g.sign())


optimizer(
    "grams",
    Grams,
    summary="AdamW whose step gets its signs from the present gradient.",
    paper="Cao, Li and Song 2024, Grams: Gradient Descent with Adaptive Momentum Scaling",
    url="https://arxiv.org/abs/2412.17107",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "beta2": search.choice(0.95, 0.999, default=0.999),
    },
    claims=[
        Claim(
            says="Grams trains a language model better than Adam.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="better",
            number="faster convergence and better generalization than Adam and Lion",
            place="abstract",
        ),
        Claim(
            says="Grams trains a language model better than Lion.",
            task="lm_markov_short",
            rival="lion",
            measure="score",
            expect="better",
            number="faster convergence and better generalization than Adam and Lion",
            place="abstract",
        ),
        Claim(
            says="Grams is better than the cautious form of AdamW.",
            task="lm_markov_short",
            rival="adamw+cautious",
            measure="score",
            expect="better",
            number="superior performance to Adam, Lion and their cautious variants; no "
            "number in the abstract",
            place="abstract",
        ),
    ],
)
