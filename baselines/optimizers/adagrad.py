"""AdaGrad: torch's own."""

from torch import nn
from torch.optim import Adagrad

from suite import Claim, optimizer, search

from .families.fused import fastest


def adagrad(parameters: list[nn.Parameter], lr: float, initial: float) -> Adagrad:
    """Duchi, Hazan and Singer 2011, figure 1 with diagonal matrices, unconstrained.

    G <- G + g^2, from `initial`; w <- w - lr * g / (sqrt(G) + 1e-10).

    Deviates from the paper: nothing; its delta is 1e-10 here, as in torch.
    """
    return Adagrad(
        parameters,
        lr=lr,
        lr_decay=0.0,
        weight_decay=0.0,
        initial_accumulator_value=initial,
        eps=1e-10,
        **fastest(parameters),
    )


optimizer(
    "adagrad",
    adagrad,
    summary="The gradient over the root of the sum of all squared gradients.",
    paper="Duchi, Hazan and Singer 2011, Adaptive Subgradient Methods for Online Learning and "
    "Stochastic Optimization",
    url="https://jmlr.org/papers/v12/duchi11a.html",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=1e-2),
        "initial": search.choice(0.0, 0.1, default=0.0),
    },
    claims=[
        Claim(
            says="AdaGrad's sum of all gradients converges where Adam's average does not.",
            task="adam_counterexample",
            rival="adam",
            measure="score",
            expect="better",
            number="averages of squared gradients that fade are one cause of failure; a "
            "long-term memory of them fixes it",
            place="abstract",
            source="Reddi, Kale and Kumar 2018, On the Convergence of Adam and Beyond",
        ),
    ],
)
