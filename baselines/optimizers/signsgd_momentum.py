"""SignSGD with momentum: every weight moves by the same amount, against the sign of its average."""

from torch import nn

from suite import Claim, optimizer, search

from .families.sign import Interpolated, signs


def build(params: list[nn.Parameter], lr: float, momentum: float) -> Interpolated:
    """Kovalev 2025, algorithm 1 for the maximum norm; Bernstein et al. 2018 call it Signum.

    m <- momentum m + (1 - momentum) g from m = 0, then w <- w - lr sign(m).

    Deviates from the paper: nothing.
    """
    return Interpolated(params, lr, (momentum, momentum), signs)


optimizer(
    "signsgd_momentum",
    build,
    summary="Steps of the sign of the gradients' moving average.",
    paper="Kovalev 2025, Understanding Gradient Orthogonalization for Deep Learning via "
    "Non-Euclidean Trust-Region Optimization",
    url="https://arxiv.org/abs/2503.12645",
    search={
        "lr": search.log_uniform(1e-5, 1e-1, default=1e-3),
        "momentum": search.uniform(0.5, 0.99, default=0.9),
    },
    claims=[
        Claim(
            says="Where classes are imbalanced, sign descent lowers the loss of rare classes "
            "as fast as that of frequent ones, and gradient descent does not.",
            task="digits_longtail",
            rival="sgd",
            measure="score",
            expect="better",
            number="in continuous time the loss of a class of frequency p falls as exp(-c t) "
            "for sign descent, as 1 / (p t) for gradient descent",
            place="abstract; the rates: theorem on a linear softmax",
            source="Kunstner et al. 2024, Heavy-Tailed Class Imbalance and Why Adam "
            "Outperforms Gradient Descent on Language Models, arXiv 2402.19449",
        ),
    ],
)
