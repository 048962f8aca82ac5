"""RAdam: pytorch-optimizer's, with every hyperparameter given: its defaults may change."""

from pytorch_optimizer import RAdam
from torch import nn

from suite import Claim, optimizer, search

from .families.loops import at_once


def radam(parameters: list[nn.Parameter], lr: float, weight_decay: float, beta2: float) -> RAdam:
    """Liu et al. 2020, algorithm 2: Adam, rectified for the variance of its denominator.

    m and v are Adam's averages; R = 2 / (1 - beta2) - 1, r = R - 2 t beta2^t / (1 - beta2^t). Where
    r is large enough, w <- w - lr * sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)) * Adam's step;
    before, w <- w - lr * m / (1 - beta1^t). Betas (0.9, beta2), epsilon 1e-8.

    Deviates from the paper: r must be at least 5, as in the authors' code, not above 4, so that
    momentum steps last one step longer; epsilon is added before the correction of v; decoupled
    weight decay is that of the authors' code.
    """
    built = RAdam(
        parameters,
        lr=lr,
        betas=(0.9, beta2),
        eps=1e-8,
        weight_decay=weight_decay,
        weight_decouple=True,
        fixed_decay=False,
        n_sma_threshold=5,
        degenerated_to_sgd=True,
        maximize=False,
        foreach=at_once(parameters),
    )
    for group in built.param_groups:
        group["decoupled_weight_decay"] = True  # hooks of the update leave the decay alone
    return built


optimizer(
    "radam",
    radam,
    summary="Adam with a factor that makes up for the variance of its first denominators.",
    paper="Liu et al. 2020, On the Variance of the Adaptive Learning Rate and Beyond",
    url="https://arxiv.org/abs/1908.03265",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=1e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "beta2": search.choice(0.99, 0.999, default=0.999),
    },
    claims=[
        Claim(
            says="Rectified Adam improves on Adam without a warm-up.",
            task="lm_markov_short",
            rival="adam",
            measure="score",
            expect="better",
            number="consistent improvements over the vanilla Adam; no number",
            place="README of LiyuanLucasLiu/RAdam",
        ),
        Claim(
            says="Rectified Adam improves on Adam in image classification.",
            task="cifar10_resnet18",
            rival="adam",
            measure="score",
            expect="better",
            number="consistent improvements over the vanilla Adam; no number",
            place="README of LiyuanLucasLiu/RAdam",
        ),
    ],
)
