"""CAME: Adafactor with momentum, which trusts the momentum where it was right before."""

from __future__ import annotations

from torch import Tensor, nn

from suite import Claim, optimizer, search

from .families.moments import Group, State, TensorByTensor, average


class CAME(TensorByTensor):
    """Luo et al. 2023, algorithm 2.

    For a matrix, V is Adafactor's estimate from averages of row and column means of g^2 + 1e-30,
    with decay b2; u = g / sqrt(V), divided by max(1, rms(u)); m is the average of u with decay b1.
    S is the same kind of estimate, with decay b3, of the instability (u - m)^2 + 1e-16, and
    w <- w - lr * (m / sqrt(S) + weight_decay * w). For a vector, V is an average of g^2 itself.
    Betas (0.9, 0.999, 0.9999). No average is corrected for bias, so that the first steps are long.

    Deviates from the paper: a vector moves by m, not divided by the root of its instability, as in
    the authors' code, whose decoupled decay this is too; filters are factored along their last two
    dimensions.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, beta3: float
    ) -> None:
        super().__init__(parameters, lr, weight_decay, betas=(0.9, 0.999, beta3))

    def direction(self, p: Tensor, g: Tensor, state: State, group: Group) -> Tensor:
        beta1, beta2, beta3 = group["betas"]
        square = g.square() + 1e-30
        if g.ndim < 2:
            u = g / average(state, "v", square, beta2).sqrt()
        else:
            u = g / _factored(state, "v", square, beta2)
        u = u / u.square().mean().sqrt().clamp(min=1)
        m = average(state, "m", u, beta1)
        if g.ndim < 2:
            return m
        return m / _factored(state, "s", (u - m).square() + 1e-16, beta3)


def _factored(state: State, name: str, value: Tensor, beta: float) -> Tensor:
    """The root of the estimate of an average from its rows and columns."""
    rows = average(state, name + "_rows", value.mean(-1, keepdim=True), beta)
    columns = average(state, name + "_columns", value.mean(-2, keepdim=True), beta)
    return (rows / rows.mean(-2, keepdim=True)).sqrt() * columns.sqrt()


optimizer(
    "came",
    CAME,
    summary="Adafactor's momentum over the root of its factored disagreement with new updates.",
    paper="Luo et al. 2023, CAME: Confidence-guided Adaptive Memory Efficient Optimization",
    url="https://arxiv.org/abs/2307.02047",
    search={
        "lr": search.log_uniform(1e-5, 1e-2, default=2e-4),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "beta3": search.choice(0.999, 0.9999, default=0.9999),
    },
    claims=[
        Claim(
            says="CAME trains language models better than Adafactor.",
            task="lm_markov_short",
            rival="adafactor",
            measure="score",
            expect="better",
            number="superior on BERT and GPT-2, without the performance penalty of "
            "Adafactor and the like; no number in the abstract",
            place="abstract",
        ),
        Claim(
            says="CAME is better than Adam at large batches.",
            task="large_batch_mini",
            rival="adam",
            measure="score",
            expect="better",
            number="BERT with a batch of 32,768: faster convergence and higher accuracy than Adam",
            place="abstract",
        ),
    ],
)
