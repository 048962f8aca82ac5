"""NAdam: torch's own, with decoupled weight decay."""

from torch import nn
from torch.optim import NAdam

from suite import Claim, optimizer, search


def nadam(parameters: list[nn.Parameter], lr: float, weight_decay: float, beta1: float) -> NAdam:
    """Dozat 2016, algorithm 2 with the momentum schedule of its footnote: Nesterov in Adam.

    mu_t = beta1 (1 - 0.96^(t / 250) / 2); m and v are Adam's averages, v corrected for bias;
    w <- w - lr * (mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t))
    / (sqrt(v) + 1e-8).

    Deviates from the paper: m is an average with the constant beta1, as in torch, not with mu_t;
    decoupled weight decay, of which the paper says nothing.
    """
    return NAdam(
        parameters,
        lr=lr,
        betas=(beta1, 0.999),
        eps=1e-8,
        weight_decay=weight_decay,
        momentum_decay=0.004,
        decoupled_weight_decay=True,
        foreach=True,
    )


optimizer(
    "nadam",
    nadam,
    summary="Adam with Nesterov's momentum in the place of the classical one.",
    paper="Dozat 2016, Incorporating Nesterov Momentum into Adam",
    url="https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ",
    search={
        "lr": search.log_uniform(1e-4, 1e-1, default=2e-3),
        "weight_decay": search.log_uniform(1e-3, 10.0, default=1e-2),
        "beta1": search.choice(0.9, 0.95, 0.98, default=0.9),
    },
    claims=[
        Claim(
            says="NAdam reaches a lower loss than Adam.",
            task="digits",
            rival="adam",
            measure="score",
            expect="lower",
            number="a convolutional autoencoder of MNIST: lower training and validation loss",
            place="section 3 and figure 1",
        )
    ],
)
