"""Adafactor: torch's own."""

from torch import nn
from torch.optim import Adafactor

from suite import Claim, optimizer, search


def adafactor(parameters: list[nn.Parameter], lr: float, clip: float) -> Adafactor:
    """Shazeer and Stern 2018, algorithms 4 and 5: a second moment of row and column means.

    For a matrix, R and C are averages of the row and column means of g^2 with decay 1 - t^-0.8, and
    V = R C' / mean(R); for a vector, V is the average of g^2 itself. U = g / sqrt(V) is divided by
    max(1, rms(U) / clip), and w <- w - max(1e-3, rms(w)) * min(lr, 1 / sqrt(t)) * U.

    Deviates from the paper: 1e-30 is a lower bound of V instead of an addition to g^2, as in torch;
    filters are factored along their last two dimensions. The paper's warm-up is a schedule here.
    """
    return Adafactor(
        parameters,
        lr=lr,
        beta2_decay=-0.8,
        eps=(1e-15, 1e-3),  # torch squares the first: at 1e-30 it is 0, and unused weights are NaN
        d=clip,
        weight_decay=0.0,
        foreach=True,
    )


optimizer(
    "adafactor",
    adafactor,
    summary="Adam without momentum, whose second moment of a matrix is that of rows and columns.",
    paper="Shazeer and Stern 2018, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
    url="https://arxiv.org/abs/1804.04235",
    search={
        "lr": search.log_uniform(1e-4, 1.0, default=1e-2),
        "clip": search.choice(1.0, 2.0, default=1.0),
    },
    claims=[
        Claim(
            says="Adafactor trains a transformer to the results of Adam with little memory.",
            task="lm_markov",
            rival="adam",
            measure="score",
            expect="equal",
            number="WMT 2014 English to German: comparable to the published Adam regime; "
            "no number in the abstract",
            place="abstract",
        ),
    ],
)
