"""AdaBelief: steps are long where gradients are what momentum expects."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.few_passes import adam_step
from .families.moments import Group, State, TensorByTensor, average


class AdaBelief(TensorByTensor):
    """Zhuang et al. 2020, algorithm 2, with decoupled weight decay.

    m <- b1 m + (1 - b1) g; s <- b2 s + (1 - b2) (g - m)^2 + eps;
    w <- w - lr * m / (1 - b1^t) / (sqrt(s / (1 - b2^t)) + eps). Betas are (0.9, 0.999).

    Deviates from the paper: nothing; the authors' package also rectifies the step as RAdam does,
    unless it is told not to.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, eps: float
    ) -> None:
        super().__init__(parameters, lr, weight_decay, betas=(0.9, 0.999), eps=eps)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        beta1, beta2 = group["betas"]
        m = average(state, "m", g, beta1)
        s = average(state, "s", (g - m).square(), beta2).add_(group["eps"])
        return adam_step(m, s, group["betas"], group["eps"], state["step"])


optimizer(
    "adabelief",
    AdaBelief,
    summary="Adam with the average of squared differences from momentum in the denominator.",
    paper="Zhuang et al. 2020, AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed "
    "Gradients",
    url="https://arxiv.org/abs/2010.07468",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        # the authors: 1e-8 for convolutional networks, 1e-16 for transformers
        "eps": search.choice(1e-8, 1e-16, default=1e-16),
    },
    claims=[
        Claim(
            says="AdaBelief has a higher accuracy than Adam in image classification.",
            task="cifar10_resnet18",
            rival="adam",
            measure="score",
            expect="better",
            number="outperforms other methods with fast convergence and high accuracy; no "
            "number in the abstract",
            place="abstract",
        ),
        Claim(
            says="AdaBelief trains a language model to a lower perplexity than Adam.",
            task="lm_markov_short",
            rival="adam",
            measure="score",
            expect="better",
            number="outperforms other methods in image classification and language "
            "modeling; no number in the abstract",
            place="abstract",
        ),
    ],
)
