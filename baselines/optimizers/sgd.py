"""SGD with momentum: torch's own, fused."""

from torch import nn
from torch.optim import SGD

from suite import Claim, optimizer, search

from .families.fused import fastest


def build(
    params: list[nn.Parameter], lr: float, momentum: float, nesterov: bool, weight_decay: float
) -> SGD:
    """Sutskever et al. 2013, equations 1 and 2 (classical) or 3 and 4 (Nesterov).

    With g the gradient plus weight_decay w: m <- momentum m + g, then w <- w - lr m, or
    w <- w - lr (g + momentum m) in Nesterov's form, whose weights are the paper's w + momentum v.

    Deviates from the paper: a coupled L2 penalty of 5e-4 and Nesterov's form by default; momentum
    does not rise over the run; the rate multiplies the velocity instead of each gradient in it.
    """
    return SGD(
        params,
        lr=lr,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        **fastest(params),
    )


optimizer(
    "sgd",
    build,
    summary="Stochastic gradient descent with momentum, Nesterov's or the classical one.",
    paper="Sutskever et al. 2013, On the importance of initialization and momentum in deep "
    "learning",
    url="https://proceedings.mlr.press/v28/sutskever13.html",
    search={
        "lr": search.log_uniform(1e-3, 3.0, default=0.1),
        # torch's Nesterov form needs some momentum: the range starts above 0
        "momentum": search.uniform(0.5, 0.99, default=0.9),
        "nesterov": search.choice(True, False, default=True),
        "weight_decay": search.log_uniform(1e-5, 1e-2, default=5e-4),
    },
    claims=[
        Claim(
            says="Gradient descent learns rare classes much more slowly than a method whose "
            "steps have a sign.",
            task="digits_longtail",
            rival="adamw",
            measure="column",
            quantity="few_accuracy",
            expect="lower",
            number="in continuous time the loss of a class of frequency p falls as 1 / (p t) "
            "for gradient descent, exponentially and whatever p for sign descent",
            place="abstract; the rates: theorem on a linear softmax",
            source="Kunstner et al. 2024, Heavy-Tailed Class Imbalance and Why Adam "
            "Outperforms Gradient Descent on Language Models",
        ),
    ],
)
