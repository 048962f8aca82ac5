"""AMSGrad: torch's own."""

from torch import nn
from torch.optim import Adam

from suite import Claim, optimizer, search

from .families.fused import fastest


def amsgrad(parameters: list[nn.Parameter], lr: float, beta1: float, beta2: float) -> Adam:
    """Reddi, Kale and Kumar 2018, algorithm 2: Adam whose second moment never falls.

    m and v are Adam's averages; u <- max(u, v);
    w <- w - lr * m / (1 - beta1^t) / (sqrt(u / (1 - beta2^t)) + 1e-8).

    Deviates from the paper: m and u are corrected for bias, and 1e-8 is added, as in torch and
    everybody's Adam; the paper has neither, so that its first step is 3 times as long.
    """
    return Adam(
        parameters,
        lr=lr,
        betas=(beta1, beta2),
        eps=1e-8,
        weight_decay=0.0,
        amsgrad=True,
        **fastest(parameters),
    )


optimizer(
    "amsgrad",
    amsgrad,
    summary="Adam with the largest second moment so far.",
    paper="Reddi, Kale and Kumar 2018, On the Convergence of Adam and Beyond",
    url="https://arxiv.org/abs/1904.09237",
    search={
        "lr": search.log_uniform(1e-5, 1e-1, default=1e-3),
        "beta1": search.choice(0.0, 0.9, default=0.9),
        "beta2": search.choice(0.99, 0.999, default=0.999),
    },
    claims=[
        Claim(
            says="AMSGrad converges to the best point where Adam goes to the worst.",
            task="adam_counterexample",
            rival="adam",
            measure="score",
            expect="better",
            number="1010 x with probability 0.01, else -10 x, on [-1, 1]: AMSGrad -1, Adam +1",
            place="synthetic experiment",
        ),
        Claim(
            says="AMSGrad trains a network to a lower loss than Adam.",
            task="digits",
            rival="adam",
            measure="score",
            expect="better",
            number="the fixed variants often also lead to better results in practice; no "
            "number in the abstract",
            place="abstract",
        ),
    ],
)
