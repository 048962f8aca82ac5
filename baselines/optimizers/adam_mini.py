"""Adam-mini: one learning rate for each block of weights that share a Hessian block."""

from __future__ import annotations

import math

from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.moments import Group, State, TensorByTensor, average


class AdamMini(TensorByTensor):
    """Zhang et al. 2024, algorithms 1 and 3: Adam whose v is one number for each block.

    m is the average of g, v that of the mean of g^2 over the block;
    w <- w - lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + 1e-8) - lr * weight_decay * w.
    Blocks are the rows of matrices: the weights of an output neuron in hidden layers, of a token in
    the embedding and the head, and of a channel in filters. A vector is one block.
    Betas (0.9, beta2).

    Deviates from the paper: queries and keys have a block for each neuron too, not for each head,
    since a parameter does not say where the heads are. The authors' first code gives embeddings and
    the head an Adam of every weight, and takes no decay from norms.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, beta2: float
    ) -> None:
        super().__init__(parameters, lr, weight_decay, betas=(0.9, beta2), eps=1e-8)

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        (beta1, beta2), t = group["betas"], state["step"]
        square = g.square()
        mean = square.mean(tuple(range(1, g.ndim)), keepdim=True) if g.ndim > 1 else square.mean()
        m, v = average(state, "m", g, beta1), average(state, "v", mean, beta2)
        root = v.sqrt().div_(math.sqrt(1 - beta2**t)).add_(group["eps"])
        return m / root.mul_(1 - beta1**t)


optimizer(
    "adam_mini",
    AdamMini,
    summary="AdamW with one second moment for each row of a matrix or vector of weights.",
    paper="Zhang et al. 2024, Adam-mini: Use Fewer Learning Rates To Gain More",
    url="https://arxiv.org/abs/2406.16793",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "beta2": search.choice(0.95, 0.999, default=0.999),
    },
    claims=[
        Claim(
            says="Adam-mini is as good as AdamW in training language models.",
            task="lm_markov_short",
            rival="adamw",
            measure="score",
            expect="not_worse",
            number="on par or better than AdamW, 39 M to 13 B weights, half the memory",
            place="abstract",
        ),
        Claim(
            says="Adam-mini is as good as AdamW on a language model of Shakespeare.",
            task="lm_shakespeare",
            rival="adamw",
            measure="score",
            expect="not_worse",
            number="on par or better than AdamW, 39 M to 13 B weights, half the memory",
            place="abstract",
        ),
    ],
)
