"""LARS: every layer moves by a share of its own norm."""

from torch import nn

from suite import Claim, optimizer, search

from .families.trust_ratio import LayerwiseSGD


def build(
    params: list[nn.Parameter], lr: float, momentum: float, weight_decay: float
) -> LayerwiseSGD:
    """You et al. 2017, algorithm 1, with trust coefficient 0.001; a layer is a tensor.

    r = 0.001 ||w|| / (||g|| + weight_decay ||w||), then v <- momentum v + lr r (g + weight_decay w)
    and w <- w - v.

    Deviates from the paper: r = 0.001 for a tensor that is 0, which would never move otherwise; the
    schedule and the warm-up are the suite's.
    """
    return LayerwiseSGD(params, lr, momentum, weight_decay, trust=1e-3)


optimizer(
    "lars",
    build,
    summary="SGD with momentum whose rate is a layer's norm over its gradient's.",
    paper="You et al. 2017, Large Batch Training of Convolutional Networks",
    url="https://arxiv.org/abs/1708.03888",
    search={
        "lr": search.log_uniform(0.1, 100.0, default=10.0),
        "momentum": search.uniform(0.5, 0.99, default=0.9),
        "weight_decay": search.log_uniform(1e-5, 1e-2, default=5e-4),
    },
    claims=[
        Claim(
            says="Networks train at batches of many thousands without loss of accuracy, "
            "where SGD gets worse or diverges.",
            task="large_batch",
            rival="sgd",
            measure="score",
            expect="better",
            number="AlexNet at a batch of 8K, ResNet-50 at 32K without loss of accuracy",
            place="abstract",
        ),
        Claim(
            says="Networks train at large batches without loss of accuracy, where SGD "
            "gets worse or diverges.",
            task="large_batch_mini",
            rival="sgd",
            measure="score",
            expect="better",
            number="AlexNet at a batch of 8K, ResNet-50 at 32K without loss of accuracy",
            place="abstract",
        ),
    ],
)
