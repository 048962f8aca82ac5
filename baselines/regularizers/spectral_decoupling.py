"""Spectral decoupling: the outputs are penalized instead of the weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from suite import Claim, Regularizer, regularizer, search


class SpectralDecoupling(Regularizer):
    """Pezeshki et al. 2021: strength / 2 times the mean squared output is added to the loss.

    The mean is over examples and, as in the authors' code, over the outputs of an example.

    Deviates from the paper: the offset of the outputs, which the paper tunes for one data set, is
    0. The authors' code for coloured MNIST has no factor 1/2 and turns to (penalty + loss) times
    the strength after 100 steps.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def criterion(
        self, outputs: Tensor, targets: Tensor, default: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        loss = default(outputs, targets)
        if not self.strength:
            return loss
        return loss + self.strength / 2 * outputs.square().mean()


regularizer(
    "spectral_decoupling",
    SpectralDecoupling,
    summary="Penalizes the squares of the outputs, so that strong features leave room for others.",
    paper="Pezeshki et al. 2021, Gradient Starvation: A Learning Proclivity in Neural Networks",
    url="https://arxiv.org/abs/2011.09468",
    search={"strength": search.log_uniform(1e-4, 1.0, default=0.03)},
    claims=[
        Claim(
            says="Spectral decoupling learns the weak features that a strong one starves.",
            task="gradient_starvation",
            method="adamw+spectral_decoupling",
            rival="adamw",
            measure="score",
            expect="better",
            number="no number in the abstract: improves accuracy and robustness in cases hindered "
            "by gradient starvation",
            place="abstract",
        ),
        Claim(
            says="Weight decay does not do the same.",
            task="gradient_starvation",
            method="adamw+spectral_decoupling",
            rival="adamw+l2",
            measure="score",
            expect="better",
            number="no number: weight decay, dropout and batch norm are said not to alleviate the "
            "problem",
            place="the paper, as reviewed at dl.reviews, 2020-11-29",
        ),
    ],
)
