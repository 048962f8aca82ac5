"""RMSProp: torch's own."""

from torch import nn
from torch.optim import RMSprop

from suite import Claim, optimizer, search

from .families.loops import at_once


def rmsprop(parameters: list[nn.Parameter], lr: float, alpha: float, momentum: float) -> RMSprop:
    """Tieleman and Hinton 2012, lecture 6e, slide 29.

    v <- alpha v + (1 - alpha) g^2, from 0; w <- w - lr * b, b <- momentum b + g / (sqrt(v) + 1e-8).

    Deviates from the paper: nothing; momentum, which the lecture (alpha 0.9) mentions, is 0 unless
    it is chosen.
    """
    return RMSprop(
        parameters,
        lr=lr,
        alpha=alpha,
        eps=1e-8,
        weight_decay=0.0,
        momentum=momentum,
        centered=False,
        foreach=at_once(parameters),
    )


optimizer(
    "rmsprop",
    rmsprop,
    summary="The gradient over the root of an average of squared gradients.",
    paper="Tieleman and Hinton 2012, Lecture 6e: RMSProp, divide the gradient by a running average "
    "of its recent magnitude",
    url="https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf",
    search={
        "lr": search.log_uniform(1e-5, 1e-1, default=1e-3),
        "alpha": search.choice(0.9, 0.99, 0.999, default=0.9),
        "momentum": search.choice(0.0, 0.9, default=0.0),
    },
    claims=[
        Claim(
            says="RMSProp, as Adam, does not converge on a convex problem with rare gradients.",
            task="adam_counterexample",
            rival="sgd",
            measure="score",
            expect="worse",
            number="no number: the moving average in RMSProp and Adam is one cause of such "
            "failures, with a convex example",
            place="abstract",
            source="Reddi, Kale and Kumar 2018, On the Convergence of Adam and Beyond",
        ),
    ],
)
