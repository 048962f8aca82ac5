"""Adam: torch's own."""

from torch import nn
from torch.optim import Adam

from suite import Claim, optimizer, search

from .families.fused import fastest


def adam(parameters: list[nn.Parameter], lr: float, beta1: float, beta2: float) -> Adam:
    """Kingma and Ba 2015, algorithm 1.

    m and v are averages of g and g^2 with decay beta1 and beta2, from 0;
    w <- w - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + 1e-8).

    The ranges are those of the paper's section 6.4. Deviates from the paper: nothing.
    """
    return Adam(
        parameters,
        lr=lr,
        betas=(beta1, beta2),
        eps=1e-8,
        weight_decay=0.0,
        amsgrad=False,
        **fastest(parameters),
    )


optimizer(
    "adam",
    adam,
    summary="Momentum over the root of an average of squared gradients, both corrected for bias.",
    paper="Kingma and Ba 2015, Adam: A Method for Stochastic Optimization",
    url="https://arxiv.org/abs/1412.6980",
    search={
        "lr": search.log_uniform(1e-5, 1e-1, default=1e-3),
        "beta1": search.choice(0.0, 0.9, default=0.9),
        "beta2": search.choice(0.99, 0.999, 0.9999, default=0.999),
    },
    claims=[
        Claim(
            says="Adam goes to the worst point of a convex problem with rare large gradients.",
            task="adam_counterexample",
            rival="sgd",
            measure="score",
            expect="worse",
            number="1010 x with probability 0.01, else -10 x, on [-1, 1]: Adam goes to +1, "
            "the worst point",
            place="synthetic experiment",
            source="Reddi, Kale and Kumar 2018, On the Convergence of Adam and Beyond",
        ),
        Claim(
            says="Adam trains a multilayer network faster than AdaGrad.",
            task="digits",
            rival="adagrad",
            measure="score",
            expect="better",
            number="MNIST, two hidden layers of 1,000 units: Adam's training cost falls fastest",
            place="section 6.2, as course notes report it",
        ),
        Claim(
            says="Several optimizers with their defaults are about as good as one that is tuned.",
            task="digits",
            method="sgd, adagrad, adam, amsgrad, nadam, radam, rmsprop, adabelief",
            rival="adam",
            untuned="method",
            measure="score",
            expect="equal",
            number="no number in the abstract: evaluating multiple optimizers with default "
            "parameters works approximately as well as tuning a single, fixed one",
            place="abstract",
            source="Schmidt, Schneider and Hennig 2021, Descending through a Crowded Valley",
        ),
        Claim(
            says="Several optimizers with their defaults are about as good as one that is tuned.",
            task="mnist1d_short",
            method="sgd, adagrad, adam, amsgrad, nadam, radam, rmsprop, adabelief",
            rival="adam",
            untuned="method",
            measure="score",
            expect="equal",
            number="no number in the abstract: evaluating multiple optimizers with default "
            "parameters works approximately as well as tuning a single, fixed one",
            place="abstract",
            source="Schmidt, Schneider and Hennig 2021, Descending through a Crowded Valley",
        ),
    ],
)
