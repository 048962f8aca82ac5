"""Dropout: hidden units are left out at random in training."""

from __future__ import annotations

from suite import Claim, regularizer, search

from .families.dropout import ActivationDropout


class Dropout(ActivationDropout):
    """Srivastava et al. 2014, section 4: each hidden unit is dropped with probability `rate`.

    What is kept is multiplied by 1 / (1 - rate) in training, instead of weights by 1 - rate in
    evaluations (the paper's section 10: the same).

    Deviates from the paper: inputs are not dropped, and no max-norm comes with it (component
    max_norm). Units are the outputs of activation modules.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    @property
    def current_rate(self) -> float:
        return self.rate


regularizer(
    "dropout",
    Dropout,
    summary="Drops activations at random during all of training.",
    paper="Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from "
    "Overfitting",
    url="https://jmlr.org/papers/v15/srivastava14a.html",
    search={"rate": search.uniform(0.0, 0.8, default=0.5)},
    claims=[
        Claim(
            says="Dropout reduces overfitting.",
            task="lm_data_constrained_short",
            method="adamw+dropout",
            rival="adamw",
            measure="score",
            expect="better",
            number="significantly reduces overfitting, also in document classification; no number",
            place="abstract",
        ),
        Claim(
            says="Dropout lowers the test error of a fully connected network on digits.",
            task="digits",
            method="adamw+dropout",
            rival="adamw",
            measure="column",
            quantity="accuracy",
            expect="higher",
            number="MNIST, fully connected: 1.60 % error without dropout, 1.25 % with it and ReLU",
            place="the paper",
            from_memory=True,
        ),
    ],
)
