"""L2: half the sum of the squared weights, in the loss and so in the gradient."""

from __future__ import annotations

from torch import Tensor

from suite import Claim, regularizer, search

from .families.weights import WeightPenalty


class L2(WeightPenalty):
    """Krogh and Hertz 1992, eq. 1: strength / 2 times the sum of w^2 is added to the loss.

    Coupled: the optimizer sees strength w in the gradient, as in torch's `weight_decay` of SGD and
    Adam, and unlike the decoupled decay of AdamW. All parameters, as in the paper.

    Deviates from the paper: nothing.
    """

    def _term(self, name: str, w: Tensor) -> Tensor:
        return w.square().sum() / 2


regularizer(
    "l2",
    L2,
    summary="Adds half the sum of the squared weights to the loss.",
    paper="Krogh and Hertz 1992, A Simple Weight Decay Can Improve Generalization",
    url="https://proceedings.neurips.cc/paper/1991/hash/8eefcfdf5990e441f0fb6f3fad709e21-Abstract.html",
    search={"strength": search.log_uniform(1e-6, 1e-1, default=1e-4)},
    claims=[
        Claim(
            says="Weight decay suppresses irrelevant components and noise in the targets, and so "
            "improves generalization.",
            task="noisy_labels_short",
            method="sgd+l2",
            rival="sgd",
            measure="score",
            expect="better",
            number="two effects proved for a linear network; simulations with data of NetTalk",
            place="abstract",
        ),
        Claim(
            says="L2 regularization substantially eases loss of plasticity.",
            task="permuted_digits_short",
            method="sgd+l2",
            rival="sgd",
            measure="score",
            expect="better",
            number="no number in the abstract: loss of plasticity is substantially eased by L2 "
            "regularization; on online permuted MNIST it is among the three best methods",
            place="abstract of arXiv:2306.13812; Nature, extended data figure 4",
            source="Dohare et al. 2024, Loss of Plasticity in Deep Continual Learning",
        ),
        Claim(
            says="In Adam the decay in the gradient generalizes worse than the decoupled one.",
            task="digits",
            method="adamw",
            rival="adamw+l2",
            measure="score",
            expect="better",
            number="no number in the abstract: decoupled decay substantially improves Adam's "
            "generalization on image classification",
            place="abstract",
            source="Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization",
        ),
    ],
)
