"""Normalized SGD with momentum: every step has the same length."""

from torch import nn

from suite import Claim, optimizer, search

from .families.sign import Interpolated, unit


def build(params: list[nn.Parameter], lr: float, momentum: float) -> Interpolated:
    """Kovalev 2025, algorithm 1 for the Euclidean norm; Cutkosky and Mehta 2020, algorithm 1.

    m <- momentum m + (1 - momentum) g from m = 0, then w <- w - lr m / ||m||, with the norm of all
    weights as one vector.

    Deviates from the paper: nothing.
    """
    return Interpolated(params, lr, (momentum, momentum), unit)


optimizer(
    "normalized_sgd_momentum",
    build,
    summary="Steps of one length along the gradients' moving average.",
    paper="Kovalev 2025, Understanding Gradient Orthogonalization for Deep Learning via "
    "Non-Euclidean Trust-Region Optimization",
    url="https://arxiv.org/abs/2503.12645",
    search={
        "lr": search.log_uniform(1e-3, 3.0, default=0.1),
        "momentum": search.uniform(0.5, 0.99, default=0.9),
    },
    claims=[
        Claim(
            says="Normalized SGD with momentum matches the methods with which ResNets are "
            "usually trained.",
            task="cifar10_resnet18",
            rival="sgd",
            measure="score",
            expect="equal",
            number="ResNet-50 and BERT pretraining: matches the methods that give "
            "state-of-the-art results; no number",
            place="abstract",
            source="Cutkosky and Mehta 2020, Momentum Improves Normalized SGD, arXiv 2002.03305",
        ),
    ],
)
